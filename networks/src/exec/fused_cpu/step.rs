//! What follows gradients, on raw memory: Adam, rows back to unit norm, a target's average. Elements and rows do not
//! depend on each other, so any division of the work gives the same bits, on every instruction set.

use tch::{Device, Tensor};

use super::simd::{Isa, Kernel, LANES, Lanes, Real};

/// Moments below this become zero. Those of a unit that is never active shrink with every step, and arithmetic on
/// numbers smaller than the smallest normal one (1.2e-38 in f32) takes the processor a hundred times as long.
const SMALLEST: f64 = 1e-37;

/// Hyper-parameters of one Adam step, named as in `torch.optim.Adam`.
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

/// The numbers of one Adam step of one parameter, as a kernel reads them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamNumbers<T> {
    pub(crate) lr: T,
    pub(crate) beta1: T,
    pub(crate) beta2: T,
    pub(crate) eps: T,
    /// Times the parameter, added to its gradient.
    pub(crate) l2: T,
    /// What the parameter is multiplied with first.
    pub(crate) keep: T,
}

/// One Adam step of `n` elements that lie together.
pub(crate) struct Adam<T> {
    pub(crate) value: *mut T,
    pub(crate) grad: *const T,
    /// First and second.
    pub(crate) moments: [*mut T; 2],
    pub(crate) n: usize,
    pub(crate) numbers: AdamNumbers<T>,
    /// `1 / (1 - beta1^t)` and `1 / sqrt(1 - beta2^t)`.
    pub(crate) corrections: [T; 2],
    /// The same of every element; the larger counts. Null for none.
    pub(crate) each: [*const T; 2],
}

impl<T: Real> AdamNumbers<T> {
    pub(crate) fn of(h: AdamStep) -> Self {
        let (l2, keep) =
            if h.decoupled { (0.0, 1.0 - h.lr * h.weight_decay) } else { (h.weight_decay, 1.0) };
        let of = |x: f64| T::of(x);
        AdamNumbers {
            lr: of(h.lr),
            beta1: of(h.beta1),
            beta2: of(h.beta2),
            eps: of(h.eps),
            l2: of(l2),
            keep: of(keep),
        }
    }
}

impl<T: Real> Kernel<T> for Adam<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let h = self.numbers;
        // SAFETY: all pointers are to `n` elements.
        unsafe {
            let [lr, beta1, beta2, eps, l2, keep] =
                [h.lr, h.beta1, h.beta2, h.eps, h.l2, h.keep].map(|x| L::splat(x));
            let (zero, one) = (L::splat(T::of(0.0)), L::splat(T::of(1.0)));
            let (rest1, rest2) = (one.sub(beta1), one.sub(beta2));
            let smallest = L::splat(T::of(SMALLEST));
            let [whole1, whole2] = self.corrections.map(|c| L::splat(c));
            for i in (0..self.n).step_by(LANES) {
                let left = self.n - i;
                let p = L::load_first(self.value.add(i), left);
                let grad = l2.fma(p, L::load_first(self.grad.add(i), left));
                let m = beta1.mul(L::load_first(self.moments[0].add(i), left));
                let v = beta2.mul(L::load_first(self.moments[1].add(i), left));
                let m = rest1.fma(grad, m);
                let v = rest2.mul(grad).fma(grad, v);
                // In this order NaN stays NaN.
                let m = smallest.if_above(m.abs(), zero, m);
                let v = smallest.if_above(v, zero, v);
                let (mut c1, mut c2) = (whole1, whole2);
                if !self.each[0].is_null() {
                    c1 = L::load_first(self.each[0].add(i), left).max(c1);
                    c2 = L::load_first(self.each[1].add(i), left).max(c2);
                }
                let step = lr.mul(c1).mul(m).div(v.sqrt().fma(c2, eps));
                keep.mul(p).sub(step).store_first(self.value.add(i), left);
                m.store_first(self.moments[0].add(i), left);
                v.store_first(self.moments[1].add(i), left);
            }
        }
    }
}

/// Divides rows by their 2-norm, or by `eps` where that is larger.
pub(crate) struct UnitRows<T> {
    pub(crate) from: *mut T,
    pub(crate) rows: usize,
    pub(crate) width: usize,
    pub(crate) eps: T,
}

impl<T: Real> Kernel<T> for UnitRows<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: `rows` rows of `width` elements lie there.
        unsafe {
            for r in 0..self.rows {
                let row = self.from.add(r * self.width);
                let mut squares = L::splat(T::of(0.0));
                for i in (0..self.width).step_by(LANES) {
                    let x = L::load_first(row.add(i), self.width - i);
                    squares = x.fma(x, squares);
                }
                // In this order NaN stays NaN.
                let norm = L::splat(self.eps).max(L::splat(squares.sum()).sqrt());
                for i in (0..self.width).step_by(LANES) {
                    let x = L::load_first(row.add(i), self.width - i);
                    x.div(norm).store_first(row.add(i), self.width - i);
                }
            }
        }
    }
}

/// `to += weight (from - to)`; with a weight of 1 a copy.
pub(crate) struct Average<T> {
    pub(crate) to: *mut T,
    pub(crate) from: *const T,
    pub(crate) n: usize,
    pub(crate) weight: T,
}

impl<T: Real> Kernel<T> for Average<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: both are `n` elements.
        unsafe {
            if self.weight.wide() == 1.0 {
                std::ptr::copy_nonoverlapping(self.from, self.to, self.n);
                return;
            }
            let weight = L::splat(self.weight);
            for i in (0..self.n).step_by(LANES) {
                let left = self.n - i;
                let to = L::load_first(self.to.add(i), left);
                let from = L::load_first(self.from.add(i), left);
                weight.fma(from.sub(to), to).store_first(self.to.add(i), left);
            }
        }
    }
}

/// Whether kernels can work on a tensor's memory: contiguous on the CPU.
pub(crate) fn is_host(t: &Tensor) -> bool {
    t.device() == Device::Cpu && t.is_contiguous()
}

/// Where a tensor's numbers are.
pub(crate) fn at<T: Real>(t: &Tensor) -> *mut T {
    assert!(is_host(t) && t.kind() == T::KIND, "contiguous numbers of the kernel's kind");
    t.data_ptr().cast()
}

/// [`Adam`] of a tensor seen as `[height, width]`, with the first corrections of rows, then the second ones; and of
/// columns, if any.
pub(crate) fn adam<T: Real>(
    value: &Tensor,
    grad: &Tensor,
    moments: (&Tensor, &Tensor),
    h: AdamStep,
    rows: &[f64],
    columns: Option<&[f64]>,
) {
    let height = rows.len() / 2;
    let n = value.numel() / height;
    let columns: Vec<T> = columns.unwrap_or_default().iter().map(|&c| T::of(c)).collect();
    let each = if columns.is_empty() {
        [std::ptr::null(); 2]
    } else {
        [columns[..n].as_ptr(), columns[n..].as_ptr()]
    };
    let (isa, numbers) = (Isa::best(), AdamNumbers::of(h));
    let [value, grad, first, second] = [value, grad, moments.0, moments.1].map(at::<T>);
    for r in 0..height {
        // SAFETY: row `r` of each, as the caller checked.
        let [value, grad, first, second] =
            unsafe { [value, grad, first, second].map(|t| t.add(r * n)) };
        let corrections = [T::of(rows[r]), T::of(rows[height + r])];
        isa.run(Adam { value, grad, moments: [first, second], n, numbers, corrections, each });
    }
}

/// [`UnitRows`] of matrices.
pub(crate) fn unit_rows<T: Real>(matrix: &Tensor, eps: f64) {
    let size = matrix.size();
    let rows = size[0] as usize;
    let width = matrix.numel() / rows.max(1);
    Isa::best().run(UnitRows { from: at::<T>(matrix), rows, width, eps: T::of(eps) });
}

/// [`Average`] of tensors.
pub(crate) fn average<T: Real>(to: &Tensor, from: &Tensor, weight: f64) {
    assert_eq!(to.numel(), from.numel(), "an average of as many numbers");
    let (n, weight) = (to.numel(), T::of(weight));
    Isa::best().run(Average { to: at(to), from: at::<T>(from), n, weight });
}
