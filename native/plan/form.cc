#include "form.h"

namespace innerloop {

Form cheaper_form(const LayerWork& work) {
  const double S = work.support_rows, Q = work.query_rows, K = work.steps;
  const double D = static_cast<double>(work.inputs), H = static_cast<double>(work.outputs);
  const bool second = work.order == 2, adjoint = work.has_layers_below;
  const double direct = K * S * D * H * (second ? (adjoint ? 6 : 4) : 2) + Q * D * H * (adjoint ? 3 : 2) + K * D * H;
  const double gram = S * D * H * (second ? (adjoint ? 3 : 2) : 1) + Q * D * H * (adjoint ? 3 : 2) +
                      ((K > 1 ? S : 0) + Q) * S * D * (adjoint && second ? 2 : 1) +
                      K * S * S * H * (second ? (adjoint ? 4 : 2) : 1);
  return gram < direct ? Form::gram : Form::direct;
}

}  // namespace innerloop
