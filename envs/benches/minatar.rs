//! Steps a second of each game, with random actions and resets.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use envs::{Action, Kwargs, Registry};

/// Steps of one measurement.
const STEPS: u64 = 10_000;

fn steps(criterion: &mut Criterion) {
    let registry = Registry::builtin();
    let mut group = criterion.benchmark_group("minatar");
    group.throughput(Throughput::Elements(STEPS));
    for id in registry.ids().filter(|id| id.starts_with("minatar/")) {
        let mut env = registry.make(id, &Kwargs::new()).expect("built in");
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(0, &mut obs).expect("reset");
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                for t in 0..STEPS {
                    // Every action about as often, in no short cycle.
                    let action = (t * t / 7 % 6) as usize;
                    let step = env.step(Action::Discrete(action), &mut obs).expect("a step");
                    if step.terminated || step.truncated {
                        env.reset(t, &mut obs).expect("reset");
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
