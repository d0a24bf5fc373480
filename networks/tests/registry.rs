//! Open families: a part from outside this crate is named by configurations like one from inside.

use networks::{
    interventions::{
        Cbp, Clock, Intervention, InterventionConfig, InterventionSettings, Nap, StepCx,
    },
    params::Params,
    random,
    registry::{Part, Registries},
    trace::Trace,
};
use serde::{Deserialize, Serialize};

/// Multiplies gradients.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Louder {
    factor: f64,
}

impl Default for Louder {
    fn default() -> Self {
        Louder { factor: 2.0 }
    }
}

impl Part for Louder {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "louder";
    const SUMMARY: &'static str = "multiplies gradients by `factor`";
    const SOURCE: &'static str = "this test";
}

impl InterventionSettings for Louder {
    fn validate(&self) -> Result<(), String> {
        if self.factor > 0.0 { Ok(()) } else { Err(format!("factor is {}", self.factor)) }
    }

    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for Louder {
    fn gradients(&mut self, _p: &Params, grads: &mut [tch::Tensor], cx: &mut StepCx<'_>) {
        cx.count += 1;
        for grad in grads {
            *grad = &*grad * self.factor;
        }
    }
}

fn registries() -> Registries {
    let mut registries = Registries::builtin();
    registries.add::<Louder>();
    registries
}

fn read(text: &str) -> Result<InterventionConfig, String> {
    toml::from_str(text).map_err(|e| e.message().to_owned())
}

#[test]
fn a_part_from_outside_is_read_with_its_defaults() {
    let louder = registries().scope(|| read("kind = 'louder'")).unwrap();
    assert_eq!(louder.kind(), "louder");
    assert_eq!(louder.settings::<Louder>().unwrap().factor, 2.0);
    assert!(louder.settings::<Nap>().is_none());
    // The file of a run folder has every key.
    let text = toml::to_string(&louder).unwrap();
    assert_eq!(text, "kind = \"louder\"\nfactor = 2.0\n");
    assert_eq!(registries().scope(|| read(&text)).unwrap(), louder);
    let other = registries().scope(|| read("kind = 'louder'\nfactor = 3")).unwrap();
    assert_ne!(other, louder);
    assert_ne!(InterventionConfig::from(Nap::default()), Cbp::default().into());

    let mut rng = random::stream(1, 0);
    let (mut p, trace) = (Params::default(), Trace::off());
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    let mut grads = [tch::Tensor::from_slice(&[1.5])];
    other.build(&mut p).gradients(&p, &mut grads, &mut cx);
    assert_eq!((grads[0].double_value(&[0]), cx.count), (4.5, 1));
}

#[test]
fn it_is_known_only_where_it_was_registered() {
    let unknown = "unknown variant `louder`, expected one of `cbp`, `l2_init`, ";
    assert!(read("kind = 'louder'").unwrap_err().starts_with(unknown));
    let found = registries().scope(|| {
        // Registries inside registries, and back.
        assert!(Registries::builtin().scope(|| read("kind = 'louder'")).is_err());
        read("kind = 'louder'")
    });
    assert!(found.is_ok());
    assert!(read("kind = 'louder'").is_err(), "the ones of before are back");
    let panicked = std::panic::catch_unwind(|| registries().scope(|| panic!("inside")));
    assert!(panicked.is_err() && read("kind = 'louder'").is_err(), "also after a panic");
}

#[test]
fn mistakes_are_sentences() {
    for (text, said) in [
        ("kind = 'louder'\nfaktor = 1", "unknown field `faktor`, expected one of `factor`"),
        ("kind = 'louder'\nfactor = 'x'", "invalid type: string \"x\", expected f64"),
        ("factor = 1", "missing field `kind`"),
        ("kind = 3", "invalid type: integer, expected a kind"),
        ("kind = 'l2_init'", "missing field `strength`"),
    ] {
        let error = registries().scope(|| read(text)).unwrap_err();
        assert!(error.starts_with(said), "{text}: {error}");
    }
    let quiet = registries().scope(|| read("kind = 'louder'\nfactor = 0")).unwrap();
    let refused = networks::interventions::validate(&[quiet]).unwrap_err();
    assert_eq!(refused, "louder: factor is 0");
}

#[test]
fn listings_have_every_part() {
    let registries = registries();
    let kinds: Vec<&str> =
        registries.family::<dyn InterventionSettings>().entries().map(|e| e.kind).collect();
    assert!(kinds.is_sorted() && kinds.contains(&"louder") && kinds.contains(&"nap"), "{kinds:?}");
    for entry in registries.family::<dyn InterventionSettings>().entries() {
        assert!(!entry.summary.is_empty() && !entry.source.is_empty(), "{}", entry.kind);
    }
}

#[test]
#[should_panic(expected = "two parts are called nap")]
fn a_name_is_taken_once() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Impostor {}
    impl Part for Impostor {
        type Family = dyn InterventionSettings;

        const KIND: &'static str = "nap";
        const SUMMARY: &'static str = "";
        const SOURCE: &'static str = "";
    }
    impl InterventionSettings for Impostor {
        fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
            unreachable!("it cannot be registered")
        }
    }
    Registries::builtin().add::<Impostor>();
}
