//! Settings that can each be meant and together defeat each other: what a run with them will not do.
//! Nothing here is an error; `supple train` and `supple resume` say it before the run.

use envs::EnvSpec;
use networks::{interventions::Cbp, network::ArchConfig, params::Params, random};

use crate::{algorithms::network::NetworkConfig, config::Config};

/// From this mass in the outermost bins on, most returns are clipped.
const EDGE: f64 = 0.5;

/// One sentence for each, for a configuration as [`Config::resolve`] leaves it.
pub fn notes(config: &Config, spec: &EnvSpec) -> Vec<String> {
    let updates = config.updates_after(config.total_steps);
    let mut notes = Vec::new();
    if updates == 0 && config.runtime.update_to_data > 0.0 {
        notes.push(format!(
            "total_steps is {}, replay.learning_starts {} and runtime.update_to_data {}, so the run ends before its \
             first update; raise total_steps or lower replay.learning_starts",
            config.total_steps, config.replay.learning_starts, config.runtime.update_to_data
        ));
    }
    notes.extend(config.agent.notes(config.replay.learning_starts, updates));
    for (key, network) in config.agent.networks() {
        notes.extend(fractions(key, network, spec));
    }
    notes
}

/// Without `accumulate`, continual backprop replaces whole units only once more than one is due.
fn fractions(key: &str, network: &NetworkConfig, spec: &EnvSpec) -> Option<String> {
    let rate = network.interventions.iter().find_map(|intervention| {
        intervention.settings::<Cbp>().filter(|c| !c.accumulate).map(|c| c.replacement_rate)
    })?;
    let thrown_away = |units: &i64| {
        let due = rate * *units as f64;
        due > 1.0 && due.fract() > 0.0
    };
    let units = layer_sizes(&network.arch, spec).into_iter().find(thrown_away)?;
    let due = rate * units as f64;
    Some(format!(
        "{key}.interventions: cbp with replacement_rate {rate} is to replace {due} of a layer's {units} units at each update \
         and, with accumulate = false, replaces {}; set accumulate = true",
        due.floor()
    ))
}

/// Units of each layer in which units can be replaced.
fn layer_sizes(arch: &ArchConfig, spec: &EnvSpec) -> Vec<i64> {
    let shape: Vec<i64> = spec.obs.shape.iter().map(|&n| n as i64).collect();
    let mut params = Params::default();
    let built = arch.build(&mut params, "", &shape, &[("output", 1)], &mut random::stream(0, 0));
    if built.is_err() {
        return Vec::new(); // the agent's own error says so
    }
    params.neurons().iter().map(|u| params.get(u.incoming).size()[0]).collect()
}

/// For the end of a run in which the target's mass in the two outermost bins was `boundary_mass` at last.
pub fn clipped(boundary_mass: Option<f64>) -> Option<String> {
    let mass = boundary_mass.filter(|mass| *mass >= EDGE)?;
    Some(format!(
        "{:.0} % of the targets' mass is in the outermost two bins of agent.value (q/boundary_mass), so returns are \
         clipped; scale rewards (normalize.reward) or move agent.value.min and .max",
        100.0 * mass
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use envs::{ActionSpace, Space};

    fn said(text: &str) -> Vec<String> {
        let mut config = Config::parse(text, &[]).unwrap();
        let action = match config.agent.kind() {
            "sac" => ActionSpace::symmetric(2),
            _ => ActionSpace::Discrete(2),
        };
        let mut spec = EnvSpec::vector(3, action);
        if text.contains("'conv'") {
            spec.obs = Space { shape: vec![4, 84, 84], ..Space::vector(4 * 84 * 84) };
        }
        config.resolve(&spec).unwrap();
        notes(&config, &spec)
    }

    /// Either side of the value from which on there is something to say.
    fn only(note: &str, with: &str, without: &str) {
        assert_eq!(said(without), [""; 0], "{without}");
        let found = said(with);
        assert!(found.len() == 1 && found[0].contains(note), "{with}: {found:?}");
    }

    #[test]
    fn a_run_without_an_update() {
        let run = |steps: u32, rest: &str| {
            let agent = "agent = { kind = 'sac' }\nreplay.learning_starts = 300";
            format!("total_steps = {steps}\n{agent}\n{rest}")
        };
        let half = "runtime.update_to_data = 0.5";
        only("before its first update", &run(301, half), &run(302, half));
        only("before its first update", &run(300, ""), &run(301, ""));
        // Without updates because none are wanted.
        assert_eq!(said(&run(300, "runtime.update_to_data = 0.0")), [""; 0]);
    }

    #[test]
    fn exploration_that_is_over_before_learning_starts() {
        let run = |steps: u32, end: f64| {
            format!(
                "replay.learning_starts = 500\n[agent]\nkind = 'dqn'\nepsilon = {{ start = 1.0, end = {end}, \
                 steps = {steps} }}"
            )
        };
        only("raise agent.epsilon.steps", &run(500, 0.1), &run(501, 0.1));
        assert_eq!(said(&run(1, 1.0)), [""; 0], "a constant rate has no end");
    }

    #[test]
    fn a_target_that_never_moves() {
        let dqn = |target: &str| {
            format!("total_steps = 2000\n[agent]\nkind = 'dqn'\ntarget = {{ {target} }}")
        };
        only(
            "agent.target.tau is 0",
            &dqn("kind = 'polyak', tau = 0.0"),
            &dqn("kind = 'polyak', tau = 0.001"),
        );
        // A thousand updates: learning starts at step 1,000.
        let hard = |n: u32| dqn(&format!("kind = 'hard', every_updates = {n}"));
        only("the run makes 1000 updates", &hard(1001), &hard(1000));
        let sac = |tau: f64| format!("agent = {{ kind = 'sac', tau = {tau} }}");
        only("agent.tau is 0", &sac(0.0), &sac(0.001));
    }

    #[test]
    fn a_fraction_of_a_unit_that_is_thrown_away() {
        let dqn = |arch: &str, rate: f64, accumulate: bool| {
            format!(
                "[agent]\nkind = 'dqn'\n[agent.network]\narch = {arch}\ninterventions = [{{ kind = 'cbp', replacement_rate \
                 = {rate}, accumulate = {accumulate} }}]"
            )
        };
        let mlp = "{ kind = 'mlp', hidden = [30, 10] }";
        // 1.5 units of thirty, and at a rate of 0.1 three and one.
        only(
            "is to replace 1.5 of a layer's 30 units",
            &dqn(mlp, 0.05, false),
            &dqn(mlp, 0.05, true),
        );
        assert_eq!(said(&dqn(mlp, 0.01, false)), [""; 0], "0.3 is a probability");
        only("30 units", &dqn(mlp, 0.11, false), &dqn(mlp, 0.1, false));
        // 25.6 of the 512 behind the convolutions, whose channels are not replaced.
        let conv = "{ kind = 'conv', torso = 'nature' }";
        only("25.6 of a layer's 512 units", &dqn(conv, 0.05, false), &dqn(conv, 0.05, true));
    }

    #[test]
    fn targets_in_the_outermost_bins() {
        assert_eq!(clipped(None), None, "scalar values");
        assert_eq!(clipped(Some(0.49)), None);
        assert!(clipped(Some(0.5)).unwrap().starts_with("50 % of the targets' mass"));
    }
}
