//! Sums over tensors on the CPU, in one order on every instruction set: a 2-norm, means of columns.

use tch::{Kind, Tensor};

use super::{
    simd::{Isa, Kernel, LANES, Lanes, Real},
    step::at,
};

/// The sum of the squares of a tensor's numbers.
pub(crate) fn squares(t: &Tensor) -> f64 {
    fn of<T: Real>(t: &Tensor) -> f64 {
        Isa::best().run(Squares::<T> { from: at(t), n: t.numel() })
    }
    if t.kind() == Kind::Double { of::<f64>(t) } else { of::<f32>(t) }
}

/// Multiplies a tensor's numbers.
pub(crate) fn scale(t: &Tensor, factor: f64) {
    fn of<T: Real>(t: &Tensor, factor: f64) {
        Isa::best().run(Scale { to: at(t), n: t.numel(), factor: T::of(factor) });
    }
    if t.kind() == Kind::Double { of::<f64>(t, factor) } else { of::<f32>(t, factor) }
}

/// Sums over the rows of a matrix `x`, and of `|x - centre|`, for every column.
pub(crate) fn columns(x: &Tensor, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
    fn of<T: Real>(x: &Tensor, centre: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = centre.len();
        let centre: Vec<T> = centre.iter().map(|&c| T::of(c)).collect();
        let (mut sum, mut deviation) = (vec![T::of(0.0); n], vec![T::of(0.0); n]);
        Isa::best().run(Columns {
            from: at(x),
            rows: x.size()[0] as usize,
            centre: &centre,
            sum: &mut sum,
            deviation: &mut deviation,
        });
        let wide = |all: Vec<T>| all.into_iter().map(T::wide).collect();
        (wide(sum), wide(deviation))
    }
    if x.kind() == Kind::Double { of::<f64>(x, centre) } else { of::<f32>(x, centre) }
}

struct Squares<T> {
    from: *const T,
    n: usize,
}

impl<T: Real> Kernel<T> for Squares<T> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes<T>>(self) -> f64 {
        // SAFETY: `n` numbers.
        unsafe {
            let mut sum = L::splat(T::of(0.0));
            for i in (0..self.n).step_by(LANES) {
                let x = L::load_first(self.from.add(i), self.n - i);
                sum = x.fma(x, sum);
            }
            sum.sum().wide()
        }
    }
}

struct Scale<T> {
    to: *mut T,
    n: usize,
    factor: T,
}

impl<T: Real> Kernel<T> for Scale<T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // SAFETY: `n` numbers.
        unsafe {
            let factor = L::splat(self.factor);
            for i in (0..self.n).step_by(LANES) {
                let x = L::load_first(self.to.add(i), self.n - i);
                x.mul(factor).store_first(self.to.add(i), self.n - i);
            }
        }
    }
}

struct Columns<'a, T> {
    from: *const T,
    rows: usize,
    centre: &'a [T],
    sum: &'a mut [T],
    deviation: &'a mut [T],
}

impl<T: Real> Kernel<T> for Columns<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let n = self.centre.len();
        // SAFETY: rows of `n` numbers, and slices as long.
        unsafe {
            for c in (0..n).step_by(LANES) {
                let left = n - c;
                let centre = L::load_first(self.centre.as_ptr().add(c), left);
                let (mut sum, mut deviation) = (L::splat(T::of(0.0)), L::splat(T::of(0.0)));
                for r in 0..self.rows {
                    let x = L::load_first(self.from.add(r * n + c), left);
                    sum = sum.add(x);
                    deviation = deviation.add(x.sub(centre).abs());
                }
                sum.store_first(self.sum.as_mut_ptr().add(c), left);
                deviation.store_first(self.deviation.as_mut_ptr().add(c), left);
            }
        }
    }
}
