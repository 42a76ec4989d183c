// Takes one support row more, or another label of a row that is there, into a ridge regression that is solved already
// (solvers/ridge.cc). It needs none of the other rows and is exact to rounding. With a the features of the row and 1, s
// its weight and y its label,
//
//   M' = M + s a aᵀ        w' = w + M'⁻¹ (s a (y − aᵀ w) − Δ Aᵀ S 1)         a row more
//   M' = M                 w' = w + M⁻¹ (s a (y − y_before + Δ) − Δ Aᵀ S 1)  another label
//
// where all labels have become smaller by Δ, as those do that are centred on the mean of the user's own. Aᵀ S 1 is the
// last column of M − Λ: that of the ones among the features. The factor of M takes the row by one sweep in d²
// operations (Gill, Golub, Murray & Saunders 1974, C3); that of the dual form by one row more, in S d.
#pragma once
#include <functional>
#include <optional>

#include "../plan/plan.h"
#include "../task/adapted.h"

namespace innerloop {

struct RowChange {
  std::optional<double> before{};  // the label that the row had; none: it is new
  double shift = 0;                // Δ
};

// @param plan of one task, whose only support row it is
// @param adapted with its posterior
template <class T>
Adapted<T> update_posterior(const Plan<T>& plan, const T* parameters, const Adapted<T>& adapted,
                            const RowChange& change, const std::function<void()>& poll);

}  // namespace innerloop
