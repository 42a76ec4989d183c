#include "posterior_sample.h"

#include "../layers/layer.h"
#include "../runtime/errors.h"

namespace innerloop {

template <class T>
Adapted<T> sample_posterior(const Adapted<T>& adapted, const std::vector<double>& z, double scale) {
  const AffineMap* head = adapted.model->last_layer;
  require(head && !adapted.factor.empty() && adapted.fast[head->weight] && adapted.fast[head->bias],
          "only a last layer in closed form has a posterior");
  const Index d = head->I + 1;
  require(static_cast<Index>(z.size()) == d, "a draw takes one number for each weight");
  std::vector<double> x(z);
  for (Index i = d; i-- > 0;) {
    for (Index j = i + 1; j < d; ++j) x[i] -= adapted.factor[j * d + i] * x[j];
    x[i] /= adapted.factor[i * d + i];
  }
  Adapted<T> drawn = adapted;
  drawn.factor.clear();
  std::vector<T>&weight = drawn.dense[head->weight], &bias = drawn.dense[head->bias];
  for (Index i = 0; i + 1 < d; ++i) weight[i] = static_cast<T>(weight[i] + scale * x[i]);
  bias[0] = static_cast<T>(bias[0] + scale * x[d - 1]);
  return drawn;
}

template Adapted<float> sample_posterior(const Adapted<float>&, const std::vector<double>&, double);
template Adapted<double> sample_posterior(const Adapted<double>&, const std::vector<double>&, double);

}  // namespace innerloop
