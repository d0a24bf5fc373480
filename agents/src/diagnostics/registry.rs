//! Every diagnostic, and how a crate adds one of its own.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use super::{
    agreement::Agreement,
    config::DueTiers,
    curvature::Curvature,
    diagnostic::{Context, Diagnostic, Measure},
    neurons::Neurons,
    probe::{BatchView, NetworkProbe},
    ranks::Ranks,
    refit::Refit,
    step::Step,
    units::Units,
    weights::Weights,
};
use crate::logging::{catalog::METRICS, dashboard::Dashboard, descriptor::Descriptor};

/// The diagnostics of a program: start from [`Diagnostics::builtin`] and [`Diagnostics::add`] your own.
#[derive(Clone, Default)]
pub struct Diagnostics {
    builtin: Vec<Arc<dyn Diagnostic>>,
    added: Vec<Arc<dyn Diagnostic>>,
}

static BUILTIN: LazyLock<Arc<Diagnostics>> = LazyLock::new(|| {
    let mut found = Diagnostics::default();
    found.add(Units);
    found.add(Weights);
    found.add(Neurons);
    found.add(Step);
    found.add(Agreement);
    found.add(Ranks);
    found.add(Curvature);
    found.add(Refit);
    Arc::new(Diagnostics { builtin: found.added, added: Vec::new() })
});

thread_local! {
    static CURRENT: RefCell<Option<Arc<Diagnostics>>> = const { RefCell::new(None) };
}

impl Diagnostics {
    /// What comes with this crate.
    #[must_use]
    pub fn builtin() -> Diagnostics {
        Diagnostics::clone(&BUILTIN)
    }

    /// Registers a diagnostic.
    ///
    /// # Panics
    /// If it describes nothing, two tiers, a number that is no diagnostic, or a tag that is taken: bugs of whoever
    /// registers it.
    pub fn add(&mut self, diagnostic: impl Diagnostic + 'static) {
        let taken: BTreeSet<&str> = self.descriptors().map(|d| d.tag).collect();
        let own = diagnostic.descriptors();
        let tier = own.first().and_then(Descriptor::tier);
        assert!(tier.is_some(), "a diagnostic describes numbers of a tier");
        for d in own {
            assert!(d.tier() == tier, "{} has another tier than its diagnostic", d.tag);
            assert!(d.tag.starts_with("plasticity/NET/"), "{} is no diagnostic's tag", d.tag);
            assert!(!taken.contains(d.tag), "two diagnostics log {}", d.tag);
        }
        self.added.push(Arc::new(diagnostic));
    }

    /// Those of the moment on this thread: the built-in ones, or those of [`Diagnostics::scope`].
    pub fn current() -> Arc<Diagnostics> {
        CURRENT.with_borrow(|current| current.as_ref().unwrap_or(&BUILTIN).clone())
    }

    /// Runs `f`; runs that it starts on this thread have these diagnostics.
    pub fn scope<R>(self, f: impl FnOnce() -> R) -> R {
        /// Restores the previous ones, also when `f` panics.
        struct Before(Option<Arc<Diagnostics>>);
        impl Drop for Before {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        let _before = Before(CURRENT.replace(Some(Arc::new(self))));
        f()
    }

    /// What every diagnostic can find.
    pub fn descriptors(&self) -> impl Iterator<Item = &Descriptor> {
        self.all().flat_map(|d| d.descriptors())
    }

    /// The dashboard of a run with these diagnostics.
    pub fn dashboard(&self) -> Dashboard {
        Dashboard::of(METRICS.iter().chain(self.descriptors()))
    }

    /// Of each network, what is due.
    pub fn of_networks(
        &self,
        probes: &[NetworkProbe<'_>],
        due: DueTiers,
        cx: &mut Context<'_>,
    ) -> Vec<Measure> {
        let mut out = Vec::new();
        for probe in probes {
            for diagnostic in is_due(&self.builtin, due) {
                diagnostic.of_network(probe, cx, &mut out);
            }
        }
        // After all built-in ones, so that theirs are the same random numbers with and without these.
        for diagnostic in is_due(&self.added, due) {
            for probe in probes {
                diagnostic.of_network(probe, cx, &mut out);
            }
        }
        out
    }

    /// Of what the agent makes of the probe batch, what is due.
    pub fn of_batch(&self, view: &BatchView, due: DueTiers) -> Vec<Measure> {
        let mut out = Vec::new();
        self.all().filter(due_in(due)).for_each(|d| d.of_batch(view, &mut out));
        out
    }

    /// Of how one update changed what the agent makes of one batch, what is due.
    pub fn of_update(&self, before: &BatchView, after: &BatchView, due: DueTiers) -> Vec<Measure> {
        let mut out = Vec::new();
        self.all().filter(due_in(due)).for_each(|d| d.of_update(before, after, &mut out));
        out
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn Diagnostic>> {
        self.builtin.iter().chain(&self.added)
    }
}

fn is_due(
    list: &[Arc<dyn Diagnostic>],
    due: DueTiers,
) -> impl Iterator<Item = &Arc<dyn Diagnostic>> {
    list.iter().filter(due_in(due))
}

fn due_in(due: DueTiers) -> impl FnMut(&&Arc<dyn Diagnostic>) -> bool {
    move |d| d.descriptors().first().and_then(Descriptor::tier).is_some_and(|tier| due.has(tier))
}
