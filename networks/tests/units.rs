//! Replaced units, for random networks: what changes and what must not, the optimiser's state, the
//! target's copy, and interventions together.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replacing;

use networks::registry::Named;
use networks::{
    arch::{mlp::MlpConfig, simba::SimbaConfig, simba_v2::SimbaV2Config},
    init::Init,
    init::{He, InitConfig, Orthogonal, TorchDefault},
    interventions::{
        Clock, InterventionConfig, L2Init, Layers, Nap, NapGains, Redo, ResetLayers, ShrinkPerturb,
        Utility,
    },
    layers::{
        activation::{ActivationConfig, Relu, Tanh},
        norm::{LayerNorm, NoNorm, NormConfig, RmsNorm},
    },
    model::{FrozenNetwork, Model},
    network::ArchConfig,
    optim::{Adam, AdamW, OptimConfig, OptimSettings, Sgd},
    params::{Params, Role, StateDict},
    random::{self, Rng},
    trace::Trace,
};
use proptest::prelude::*;
use replacing::{INPUT, build, eager, gap, newborn};
use tch::{Kind, Tensor, no_grad_guard};

/// Not so narrow that all units a row reads are replaced at once, or that the part of a partial RMSNorm
/// is one unit, which is 0 when its inputs are: then activations are divided by the root of epsilon.
fn archs() -> impl Strategy<Value = ArchConfig> {
    archs_of(6..12)
}

/// With MLP layers of so many units.
fn archs_of(units: std::ops::Range<i64>) -> impl Strategy<Value = ArchConfig> {
    let norm = prop_oneof![
        Just(NormConfig::from(NoNorm {})),
        Just(NormConfig::from(LayerNorm { affine: true })),
        Just(NormConfig::from(RmsNorm { affine: true, part: 0.5 })),
    ];
    let init = prop_oneof![
        Just(InitConfig::from(TorchDefault {})),
        Just(Orthogonal {}.into()),
        Just(He {}.into())
    ];
    let activation = prop_oneof![Just(ActivationConfig::from(Relu {})), Just(Tanh {}.into())];
    let mlp = (prop::collection::vec(units, 1..4), norm, init, activation, any::<bool>());
    let mlp = mlp.prop_map(|(hidden, norm, init, activation, bias)| {
        ArchConfig::from(MlpConfig { hidden, activation, norm, bias, init, ..MlpConfig::default() })
    });
    let trunk = || (4i64..8, 1i64..3, 2i64..4);
    let simba = trunk().prop_map(|(width, blocks, expansion)| {
        ArchConfig::from(SimbaConfig { width, blocks, expansion, ..SimbaConfig::default() })
    });
    let v2 = trunk().prop_map(|(width, blocks, expansion)| {
        ArchConfig::from(SimbaV2Config { width, blocks, expansion, ..Default::default() })
    });
    prop_oneof![mlp, simba, v2]
}

fn step(model: &mut Model, update: u64, task: usize, rng: &mut Rng) {
    let x = random::normal(&[16, INPUT], &mut random::stream(3, update));
    let mut trace = Trace::on();
    let outputs = model.forward_train(&x, &mut trace);
    let aim = (&x * 2.0).sin().narrow(1, 0, 1);
    let loss: Tensor = outputs.iter().map(|y| (y - &aim).square().mean(Kind::Float)).sum();
    let clock = Clock { update, task, ..Clock::default() };
    model.minimize(&loss, &trace, &[], clock, rng).unwrap();
}

fn rules() -> Vec<Named<dyn OptimSettings>> {
    vec![Adam::default().into(), AdamW::default().into(), Sgd::default().into()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// A replaced unit says nothing to the layers behind; its own numbers are those of the start, its
    /// moments zero; and the Polyak target has the same row, numbers and silence.
    #[test]
    fn a_replaced_unit_is_new_everywhere(arch in archs(), transfer in any::<bool>()) {
        let mut m = build(&arch, &[eager(Utility::Contribution, transfer)], &OptimConfig::default());
        let mut target = m.target();
        let mut rng = random::stream(5, 0);
        let mut replaced = 0;
        for update in 0..12 {
            step(&mut m, update, 0, &mut rng);
            m.polyak_update(&mut target, 0.1);
            let groups = m.params.neurons().to_vec();
            for (g, units) in groups.iter().enumerate() {
                let now = m.steps();
                let new = newborn(&mut m.params, g, now);
                let mut state = StateDict::new();
                m.save(&mut state);
                for &i in &new {
                    replaced += 1;
                    let read = |p: &Params| {
                        let row = p.get(units.incoming).get(i).detach();
                        let own: Vec<f64> =
                            units.per_neuron.iter().map(|&id| p.get(id).double_value(&[i])).collect();
                        let out: Vec<Tensor> = units
                            .outgoing
                            .iter()
                            .map(|r| p.get(r.weight).select(1, i).detach())
                            .collect();
                        (row, own, out)
                    };
                    let (row, own, out) = read(&m.params);
                    prop_assert!(row.abs().max().double_value(&[]) > 0.0);
                    for (&id, value) in units.per_neuron.iter().zip(&own) {
                        let q = m.params.iter().find(|(other, _)| *other == id).unwrap().1;
                        let start = match (q.role, &q.init) {
                            (Role::Bias, _) => 0.0,
                            (_, Init::Constant(c)) => f64::from(*c as f32),
                            other => panic!("{other:?}"),
                        };
                        prop_assert_eq!(*value, start, "{}", q.name);
                    }
                    for (out, reader) in out.iter().zip(&units.outgoing) {
                        // Between two new units the weight is the reader's new row.
                        let _guard = no_grad_guard();
                        let old = out.copy();
                        let of_reader = groups.iter().position(|u| u.incoming == reader.weight);
                        for j in of_reader.map_or(Vec::new(), |g| newborn(&mut m.params, g, now)) {
                            let _ = old.get(j).fill_(0.0);
                        }
                        prop_assert_eq!(old.abs().max().double_value(&[]), 0.0);
                    }
                    let (t_row, t_own, t_out) = read(&target.params);
                    prop_assert_eq!(gap(&row, &t_row), 0.0);
                    prop_assert_eq!(&own, &t_own);
                    prop_assert_eq!(gap(&Tensor::cat(&t_out, 0), &Tensor::cat(&out, 0)), 0.0);
                    for moment in ["#0", "#1"] {
                        let named = |id| {
                            let q = m.params.iter().find(|(other, _)| *other == id).unwrap().1;
                            &state[&format!("m/{}{moment}", q.name)]
                        };
                        let zero = |t: Tensor| t.abs().max().double_value(&[]) == 0.0;
                        prop_assert!(zero(named(units.incoming).get(i)));
                        for &id in &units.per_neuron {
                            prop_assert!(zero(named(id).get(i)));
                        }
                        for r in &units.outgoing {
                            prop_assert!(zero(named(r.weight).select(1, i)));
                        }
                    }
                }
            }
        }
        prop_assert!(replaced > 0, "nothing to test");
        let told: u64 = (0..m.params.neurons().len()).map(|g| m.params.replaced(g).unwrap()).sum();
        prop_assert_eq!(told, replaced);
        prop_assert_eq!(m.intervention_counts().next().unwrap(), ("cbp", replaced));
    }

    /// What is made anew learns: every fresh incoming row, outgoing column and number moves within a
    /// few steps, from moments of its own. (Layers are wide enough not to be dead as a whole.)
    #[test]
    fn what_is_new_moves(arch in archs_of(12..24), all in any::<bool>()) {
        let layers = if all { Layers::All } else { Layers::Heads };
        let reset = InterventionConfig::from(ResetLayers { layers, every_updates: 3, on_task_change: false });
        let mut m = build(&arch, &[reset], &OptimConfig { lr: 1e-2, ..OptimConfig::default() });
        let mut rng = random::stream(5, 0);
        let copies = |m: &Model| -> Vec<(String, Tensor, bool)> {
            let trainable = m.params.trainable();
            trainable.map(|q| (q.name.clone(), q.value.detach().copy(), q.head)).collect()
        };
        let start = copies(&m);
        for update in 0..2 {
            step(&mut m, update, 0, &mut rng);
        }
        let before = copies(&m);
        let (mut hard, mut polyak) = (m.target(), m.target());
        step(&mut m, 2, 0, &mut rng);
        let reset = copies(&m);
        let mut state = StateDict::new();
        m.save(&mut state);
        m.sync_resets(&mut hard);
        m.polyak_update(&mut polyak, 0.1);
        for update in 3..5 {
            step(&mut m, update, 0, &mut rng);
        }
        for (i, (name, now, head)) in copies(&m).iter().enumerate() {
            prop_assert_ne!(gap(now, &reset[i].1), 0.0, "{} is frozen", name);
            let chosen = all || *head;
            let moments = ["#0", "#1"].map(|k| state[&format!("m/{name}{k}")].shallow_clone());
            let fresh = moments.iter().all(|t| t.abs().max().double_value(&[]) == 0.0);
            prop_assert_eq!(fresh, chosen, "moments of {}", name);
            // Drawn again, and not back to the first draw, where the distribution is random at all.
            let constant = now.numel() == 1 || gap(&start[i].1, &reset[i].1) == 0.0;
            if chosen && !constant {
                prop_assert!(gap(&before[i].1, &reset[i].1) > 0.0);
            }
            // Targets have what is new at once and follow the rest as ever: not yet, or by a tenth.
            let of = |target: &FrozenNetwork| {
                target.params.iter().find(|(_, q)| &q.name == name).unwrap().1.value.copy()
            };
            let (old, new) = (&before[i].1, &reset[i].1);
            let followed = old * 0.9 + new * 0.1;
            let (not_yet, a_tenth) = if chosen { (new, new) } else { (old, &followed) };
            prop_assert_eq!(gap(&of(&hard), not_yet), 0.0, "the hard target's {}", name);
            prop_assert!(gap(&of(&polyak), a_tenth) < 1e-6, "the Polyak target's {}", name);
        }
    }

    /// Every constraint of every intervention holds after every update, in every documented order, and a
    /// run that goes on from its saved state is the same run, bit for bit.
    #[test]
    fn methods_compose_and_resume(
        arch in archs(),
        rule in prop::sample::select(rules()),
        others in prop::sample::subsequence(
            vec![
                InterventionConfig::from(ShrinkPerturb {
                    shrink: 0.9, perturb: 0.1, every_updates: 4, on_task_change: true,
                }),
                InterventionConfig::from(ResetLayers {
                    layers: Layers::Heads, every_updates: 5, on_task_change: false,
                }),
                InterventionConfig::from(L2Init { strength: 0.01 }),
            ],
            0..=3,
        ).prop_shuffle(),
        replacing in prop_oneof![
            Just(eager(Utility::Contribution, true)),
            Just(eager(Utility::AdaptableContribution, false)),
            Just(eager(Utility::Random, true)),
            Just(InterventionConfig::from(Redo { threshold: 0.3, every_updates: 2 })),
        ],
        at in 0usize..5,
    ) {
        let optim = OptimConfig { clip_grad_norm: Some(1.0), ..OptimConfig::new(rule, 1e-2) };
        let mut interventions = others;
        interventions.insert(at.min(interventions.len()), replacing);
        let scale_invariant = arch.settings::<MlpConfig>().is_some_and(|c| !c.norm.is_none());
        if scale_invariant {
            interventions.push(InterventionConfig::from(Nap { every_updates: 1, gains: NapGains::Free {} }));
        }
        let mut m = build(&arch, &interventions, &optim);
        let mut target = m.target();
        let radii: Vec<f64> = m
            .params
            .iter()
            .filter(|(_, q)| q.name.ends_with("@radius"))
            .map(|(_, q)| q.value.double_value(&[]))
            .collect();
        let mut rng = random::stream(5, 0);
        let mut saved = None;
        for update in 0..12u64 {
            step(&mut m, update, (update / 7) as usize, &mut rng);
            m.polyak_update(&mut target, 0.1);
            prop_assert!(m.params.hypersphere_error() < 1e-6);
            prop_assert!(m.params.first_non_finite().is_none());
            if scale_invariant {
                let norms = sphere_norms(&m.params);
                for (now, start) in norms.iter().zip(&radii) {
                    // The reader of units that were all replaced at once has no direction.
                    let zero = *now == 0.0;
                    prop_assert!(zero || (now / start - 1.0).abs() < 1e-5, "{} of {}", now, start);
                }
            }
            if update == 5 {
                let mut state = StateDict::new();
                m.save(&mut state);
                target.params.save("target", &mut state);
                saved = Some((state, rng.clone()));
            }
        }
        let (state, mut rng) = saved.unwrap();
        let mut resumed = build(&arch, &interventions, &optim);
        let mut resumed_target: FrozenNetwork = resumed.target();
        resumed.load(&state).unwrap();
        resumed_target.params.load("target", &state).unwrap();
        for update in 6..12u64 {
            step(&mut resumed, update, (update / 7) as usize, &mut rng);
            resumed.polyak_update(&mut resumed_target, 0.1);
        }
        let (mut a, mut b) = (StateDict::new(), StateDict::new());
        m.save(&mut a);
        target.params.save("target", &mut a);
        resumed.save(&mut b);
        resumed_target.params.save("target", &mut b);
        prop_assert_eq!(a.len(), b.len());
        for (name, t) in &a {
            prop_assert!(t.equal(&b[name]), "{} after a resume", name);
        }
    }
}

/// Joint norms of what NaP projects, in the order of its radii: each hidden matrix with its bias.
fn sphere_norms(p: &Params) -> Vec<f64> {
    let list: Vec<_> = p.iter().map(|(_, q)| q).collect();
    list.iter()
        .enumerate()
        .filter(|(_, q)| q.role == Role::ScaleInvariant)
        .map(|(i, q)| {
            let square = |t: &Tensor| t.detach().square().sum(Kind::Double).double_value(&[]);
            let bias = list.get(i + 1).filter(|b| b.role == Role::Bias);
            (square(&q.value) + bias.map_or(0.0, |b| square(&b.value))).sqrt()
        })
        .collect()
}
