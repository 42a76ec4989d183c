// The mode of a logistic posterior by Newton's method with step halving, as in native/solvers/laplace.cc.
#pragma once
#include "../block.h"

namespace innerloop::device {

template <class T>
struct RidgeTask;
template <class T>
struct RidgeMemory;

// It leaves the mode in w, and e, s and the factorised system of the likelihood there.
template <class T>
struct Newton {
  IL_DEVICE explicit Newton(const RidgeTask<T>& task)
      : task(task), block(task.block), m(task.m), S(task.S), d(task.d), full(task.full) {}

  IL_DEVICE void run() const {
    constexpr int kMostSteps = 100;
    constexpr double kConverged = 1e-22, kNear = 1e-8, kArmijo = 1e-4, kShortest = 1e-9;
    double energy = energy_of(m.w);
    for (int i = 0; i < kMostSteps; ++i) {
      task.residuals(m.w);
      block.each(d, [&](Index j) { m.delta[j] = m.mean[j] - m.w[j]; });
      task.precision(m.delta, m.x);
      block.each(d, [&](Index j) {
        double sum = m.x[j];
        for (Index s = 0; s < S; ++s) sum += m.r[s] * task.at(task.A, s, j, task.n);
        m.x[j] = m.z[j] = sum;
      });
      task.factorise();
      task.solve(m.z);
      block.once([&] {
        double sum = 0;
        for (Index j = 0; j < d; ++j) sum += m.x[j] * m.z[j];
        m.numbers[1] = sum;
        if (!(sum < 1e300)) task.call.failed[task.task] = 1;
      });
      const double decrement = m.numbers[1];
      if (!(decrement > kConverged) || !(decrement < 1e300)) return;
      double reached = energy;
      for (double length = 1;; length /= 2) {
        block.each(d, [&](Index j) { m.next[j] = m.w[j] + length * m.z[j]; });
        reached = energy_of(m.next);
        if (decrement < kNear || reached <= energy - kArmijo * length * decrement || length < kShortest) break;
      }
      block.each(d, [&](Index j) { m.w[j] = m.next[j]; });
      energy = reached;
    }
  }

 private:
  // The negative logarithm of the posterior at w; it overwrites u and delta.
  IL_DEVICE double energy_of(const double* w) const {
    block.each(d, [&](Index j) { m.delta[j] = w[j] - m.mean[j]; });
    if (full)
      task.times_factor_transposed(m.delta, m.u);
    else
      block.each(d, [&](Index j) { m.u[j] = m.root[j] * m.delta[j]; });
    block.each(S, [&](Index s) {
      const double o = task.row_times(task.A, s, w);
      m.terms[s] = task.row_weight(s) * ((o > 0 ? o : 0) + log1p(exp(o < 0 ? o : -o)) - task.label(s) * o);
    });
    block.once([&] {
      double sum = 0;
      for (Index j = 0; j < d; ++j) sum += m.u[j] * m.u[j];
      sum /= 2;
      for (Index s = 0; s < S; ++s) sum += m.terms[s];
      m.numbers[1] = sum;
    });
    return m.numbers[1];
  }

  const RidgeTask<T>& task;
  const Block& block;
  const RidgeMemory<T>& m;
  const Index S, d;
  const bool full;
};

}  // namespace innerloop::device
