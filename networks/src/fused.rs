//! Safe faces of the C++ shim `csrc/fused.cpp`: libtorch operations on lists of tensors that tch
//! does not bind. One dispatch per list instead of one per tensor, and the fused Adam kernel.
#![allow(unsafe_code, reason = "the FFI border of the libtorch shim")]

use std::ffi::{CStr, c_char, c_int};

use tch::{Kind, Tensor};
use torch_sys::C_tensor;

pub(crate) use crate::exec::fused_cpu::step::AdamStep;
use crate::exec::fused_cpu::{step, sums};

/// Below this a norm counts as this: zero stays zero instead of becoming NaN (SimbaV2's code).
pub(crate) const L2_EPS: f64 = 1e-8;

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
    fn supple_torch_version() -> *const c_char;
    fn supple_changed(tensors: List, n: usize);
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

/// One in-place Adam step on a tensor seen as `[height, width]`, whose elements restarted at different
/// times. `rows` holds the first bias correction `1 / (1 - beta1^t)` of every row, then every second
/// one, `1 / sqrt(1 - beta2^t)`; `columns`, if any, the same of columns. An element takes the larger:
/// corrections fall with age, so that is the younger's.
pub(crate) fn adam_by_age_(
    param: &Tensor,
    grad: &Tensor,
    moments: (&Tensor, &Tensor),
    h: AdamStep,
    rows: &[f64],
    columns: Option<&[f64]>,
) {
    let height = rows.len() / 2;
    let width = param.numel() / height;
    let sizes = [moments.0.numel(), moments.1.numel(), grad.numel(), height * width];
    assert!(sizes.iter().all(|&n| n == param.numel()), "a gradient and moments of one shape");
    assert!(columns.is_none_or(|c| c.len() == 2 * width), "two corrections a column");
    let grad = grad.contiguous();
    match param.kind() {
        Kind::Double => step::adam::<f64>(param, &grad, moments, h, rows, columns),
        _ => step::adam::<f32>(param, &grad, moments, h, rows, columns),
    }
    changed_(&[param]);
}

/// Counts a change of tensors whose memory was written to: whoever keeps copies looks at the count.
pub(crate) fn changed_(tensors: &[&Tensor]) {
    let list = pointers(tensors);
    // SAFETY: as in `adam_`.
    unsafe { supple_changed(list.as_ptr(), list.len()) }
}

/// Scales all `tensors` by one factor, in place, so that their joint 2-norm is `radius`; where it is
/// below `eps` it counts as that, so that zero stays zero.
pub(crate) fn to_norm_(tensors: &[&Tensor], radius: f64, eps: f64) {
    if !all_host(tensors) {
        let factor = global_norm(tensors).clamp_min(eps).reciprocal() * radius;
        for t in tensors {
            let _ = t.detach().g_mul_(&factor);
        }
        return;
    }
    let squares: f64 = tensors.iter().map(|t| sums::squares(t)).sum();
    let factor = radius / squares.sqrt().max(eps);
    for t in tensors {
        sums::scale(t, factor);
    }
    changed_(tensors);
}

/// Means over the rows of `x`, `[N, n]`, and of `|x - centre|`: two `[n]` on the host.
pub(crate) fn column_means(x: &Tensor, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (height, n) = x.size2().expect("a matrix");
    assert_eq!(centre.len(), n as usize, "one centre per column");
    // The one copy from another device; free on the CPU.
    let x = x.detach().to_device(tch::Device::Cpu).contiguous();
    let (mut sum, mut deviation) = sums::columns(&x, centre);
    for v in sum.iter_mut().chain(&mut deviation) {
        *v /= height as f64;
    }
    (sum, deviation)
}

/// The numbers of a contiguous f64 or i64 tensor on the CPU, in place.
pub(crate) fn host_slice<T: tch::kind::Element>(t: &mut Tensor) -> &mut [T] {
    assert!(t.is_contiguous() && t.device() == tch::Device::Cpu && t.kind() == T::KIND);
    // SAFETY: contiguous memory of `numel` elements of that type, borrowed with the tensor; tensors
    // that share storage are never made of what is read so (intervention state and births).
    unsafe { std::slice::from_raw_parts_mut(t.data_ptr().cast(), t.numel()) }
}

/// The numbers of a contiguous f32 tensor on the CPU.
pub(crate) fn host_f32(t: &Tensor) -> Option<&[f32]> {
    let host = step::is_host(t) && t.kind() == Kind::Float;
    // SAFETY: contiguous memory of `numel` elements of that type, borrowed with the tensor.
    host.then(|| unsafe { std::slice::from_raw_parts(t.data_ptr().cast_const().cast(), t.numel()) })
}

/// The same to write to; [`changed_`] must follow.
pub(crate) fn host_f32_mut(t: &mut Tensor) -> Option<&mut [f32]> {
    let host = step::is_host(t) && t.kind() == Kind::Float;
    // SAFETY: as above; parameters share no storage.
    host.then(|| unsafe { std::slice::from_raw_parts_mut(t.data_ptr().cast(), t.numel()) })
}

/// `targets[i] += weight * (sources[i] - targets[i])`, in place.
pub(crate) fn lerp_(targets: &[&Tensor], sources: &[&Tensor], weight: f64) {
    assert_eq!(targets.len(), sources.len(), "one source per target");
    if all_host(targets) && all_host(sources) {
        for (target, source) in targets.iter().zip(sources) {
            match target.kind() {
                Kind::Double => step::average::<f64>(target, source, weight),
                _ => step::average::<f32>(target, source, weight),
            }
        }
        return changed_(targets);
    }
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
    if all_host(matrices) {
        for matrix in matrices {
            match matrix.kind() {
                Kind::Double => step::unit_rows::<f64>(matrix, eps),
                _ => step::unit_rows::<f32>(matrix, eps),
            }
        }
        return changed_(matrices);
    }
    let list = pointers(matrices);
    // SAFETY: as in `adam_`.
    check(unsafe { supple_unit_rows(list.as_ptr(), list.len(), eps) });
}

/// The libtorch that this was built with: `2.11.0`.
pub fn torch_version() -> String {
    // SAFETY: a string literal of the shim.
    let text = unsafe { CStr::from_ptr(supple_torch_version()) };
    text.to_string_lossy().into_owned()
}

/// Makes the C allocator keep what is freed instead of giving it back to the system after every
/// tensor. Process-wide and idempotent; call it once before training. SAC 2x256 updates take about
/// a third less time with it (`cargo xtask bench`).
pub fn keep_freed_memory() {
    // SAFETY: mallopt takes plain numbers and may be called at any time.
    unsafe { supple_keep_freed_memory() }
}

/// Whether kernels can work on their memory: contiguous floats on the CPU.
fn all_host(tensors: &[&Tensor]) -> bool {
    let kernels_have = |t: &Tensor| matches!(t.kind(), Kind::Float | Kind::Double);
    tensors.iter().all(|t| step::is_host(t) && kernels_have(t))
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
    use tch::Device;

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
