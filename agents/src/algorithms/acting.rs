//! A policy's network without libtorch, for agents whose updates are without it too.

use networks::{
    exec::fused_cpu::{Host, Isa, Matrix, Plan, Purpose, Rows, Team},
    model::FrozenNetwork,
};

/// The network of a policy, on buffers of its own.
pub(crate) struct Acting {
    plan: Plan<f32>,
    room: usize,
}

impl Acting {
    /// Where it can be on buffers.
    pub(crate) fn new(net: &FrozenNetwork, obs_dim: usize, room: usize) -> Option<Acting> {
        let program = net.program(obs_dim).ok()?;
        let mut plan = Plan::new(program, Isa::best(), room, Purpose::Evaluate, &net.params);
        plan.bind(&net.params, &[]);
        Some(Acting { plan, room })
    }

    /// With the values that `net` has now, and room for `n` rows.
    pub(crate) fn renew(&mut self, net: &FrozenNetwork, n: usize) {
        if n > self.room
            && let Some(more) = Acting::new(net, self.plan.input().width(), n)
        {
            *self = more;
        }
        self.plan.bind(&net.params, &[]);
    }

    /// Applies the network to `obs`, `[n, D]` flat, and gives `read` its outputs.
    pub(crate) fn apply<R>(
        &mut self,
        obs: &[f32],
        n: usize,
        read: impl FnOnce(&Plan<f32>, &Rows) -> R,
    ) -> R {
        let plan = &self.plan;
        let obs = Host::new(obs, plan.input().width());
        Team::alone().whole(n, |rows| {
            plan.input().load(rows, 0, &obs);
            plan.forward(rows);
            read(plan, rows)
        })
    }
}

/// All rows of a matrix, one after the other.
pub(crate) fn flat(matrix: &Matrix<f32>, rows: &Rows) -> Vec<f32> {
    rows.range().flat_map(|r| matrix.row(rows, r).iter().map(std::cell::Cell::get)).collect()
}
