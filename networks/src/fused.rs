//! Safe faces of the C++ shim `csrc/fused.cpp`: libtorch operations on lists of tensors that tch
//! does not bind. One dispatch per list instead of one per tensor, and the fused Adam kernel.
#![allow(unsafe_code, reason = "the FFI border of the libtorch shim")]

use std::ffi::{CStr, c_char, c_int};

use tch::Tensor;
use torch_sys::C_tensor;

type List = *const *const C_tensor;

unsafe extern "C" {
    fn supple_fused_adam(
        params: List,
        grads: List,
        exp_avg: List,
        exp_avg_sq: List,
        step: *const C_tensor,
        n: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
        decoupled: c_int,
    ) -> *mut c_char;
    fn supple_foreach_lerp(targets: List, sources: List, n: usize, weight: f64) -> *mut c_char;
    fn supple_global_norm(tensors: List, n: usize, out: *mut *mut C_tensor) -> *mut c_char;
    fn supple_unit_rows(matrices: List, n: usize, eps: f64) -> *mut c_char;
    fn supple_keep_freed_memory();
}

/// Hyper-parameters of one fused Adam step, named as in `torch.optim.Adam`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub(crate) lr: f64,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) eps: f64,
    pub(crate) weight_decay: f64,
    /// `true`: decoupled weight decay (AdamW), `false`: L2 added to the gradient (Adam).
    pub(crate) decoupled: bool,
}

/// One in-place Adam step on all `params`. `step` is a float scalar tensor that already counts
/// this step: the kernel reads it and never advances it.
pub(crate) fn adam_(
    params: &[&Tensor],
    grads: &[&Tensor],
    exp_avg: &[&Tensor],
    exp_avg_sq: &[&Tensor],
    step: &Tensor,
    h: AdamStep,
) {
    let n = params.len();
    assert!(
        grads.len() == n && exp_avg.len() == n && exp_avg_sq.len() == n,
        "one gradient and two moments per parameter"
    );
    // The kernel walks raw memory. Autograd returns transposed views for some products, and those
    // would be read in the wrong order; `contiguous` copies only them.
    let grads: Vec<Tensor> = grads.iter().map(|g| g.contiguous()).collect();
    let grads: Vec<&Tensor> = grads.iter().collect();
    let (p, g, m, v) =
        (pointers(params), pointers(&grads), pointers(exp_avg), pointers(exp_avg_sq));
    // SAFETY: every pointer is a live at::Tensor borrowed for the call; the lists hold `n` each;
    // the kernel writes tensor storage only, which libtorch keeps behind its own reference count.
    let error = unsafe {
        supple_fused_adam(
            p.as_ptr(),
            g.as_ptr(),
            m.as_ptr(),
            v.as_ptr(),
            step.as_ptr(),
            n,
            h.lr,
            h.beta1,
            h.beta2,
            h.eps,
            h.weight_decay,
            c_int::from(h.decoupled),
        )
    };
    check(error);
}

/// `targets[i] += weight * (sources[i] - targets[i])`, in place.
pub(crate) fn lerp_(targets: &[&Tensor], sources: &[&Tensor], weight: f64) {
    assert_eq!(targets.len(), sources.len(), "one source per target");
    let (t, s) = (pointers(targets), pointers(sources));
    // SAFETY: as in `adam_`.
    check(unsafe { supple_foreach_lerp(t.as_ptr(), s.as_ptr(), t.len(), weight) });
}

/// 2-norm over all elements of all `tensors`: a scalar tensor, still on their device.
pub(crate) fn global_norm(tensors: &[&Tensor]) -> Tensor {
    let list = pointers(tensors);
    let mut out = std::ptr::null_mut();
    // SAFETY: as in `adam_`; on success `out` is a new at::Tensor that we own.
    unsafe {
        check(supple_global_norm(list.as_ptr(), list.len(), &raw mut out));
        Tensor::from_ptr(out)
    }
}

/// Divides every row of every matrix by `max(its 2-norm, eps)`, in place.
pub(crate) fn unit_rows_(matrices: &[&Tensor], eps: f64) {
    let list = pointers(matrices);
    // SAFETY: as in `adam_`.
    check(unsafe { supple_unit_rows(list.as_ptr(), list.len(), eps) });
}

/// Makes the C allocator keep what is freed instead of giving it back to the system after every
/// tensor. Process-wide and idempotent; call it once before training. SAC 2x256 updates take about
/// a third less time with it (`cargo xtask bench`).
pub fn keep_freed_memory() {
    // SAFETY: mallopt takes plain numbers and may be called at any time.
    unsafe { supple_keep_freed_memory() }
}

fn pointers(tensors: &[&Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|t| t.as_ptr()).collect()
}

/// A C++ error here is a broken invariant (wrong shape, dtype or device), hence a panic.
fn check(error: *mut c_char) {
    if error.is_null() {
        return;
    }
    // SAFETY: the shim returned a NUL-terminated strdup'ed string, freed once here.
    let message = unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        libc_free(error);
        text
    };
    panic!("libtorch: {}", message.lines().next().unwrap_or_default());
}

unsafe fn libc_free(pointer: *mut c_char) {
    unsafe extern "C" {
        fn free(pointer: *mut c_char);
    }
    // SAFETY: the caller owns `pointer`, which came from malloc.
    unsafe { free(pointer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// The first Adam step is `lr * sign(g)`, element by element, also for a transposed gradient.
    #[test]
    fn adam_reads_transposed_gradients_in_order() {
        let w = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
        let (m, v) = (w.zeros_like(), w.zeros_like());
        let grad = Tensor::from_slice(&[1f32, 1.0, -1.0, -1.0, 1.0, -1.0]).view([3, 2]).tr();
        assert!(!grad.is_contiguous());
        let step = Tensor::from(1f32);
        let h = AdamStep {
            lr: 0.5,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-12,
            weight_decay: 0.0,
            decoupled: false,
        };
        adam_(&[&w], &[&grad], &[&m], &[&v], &step, h);
        let error = (w + grad * 0.5).abs().max().double_value(&[]);
        assert!(error < 1e-6, "{error}");
    }
}
