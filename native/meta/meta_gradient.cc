#include "meta_gradient.h"

#include "gradient_sums.h"

namespace innerloop {

template <class T>
MetaGradient<T> meta_gradient(const Plan<T>& plan, const T* parameters, Direction direction, int threads,
                              const std::function<void()>& poll) {
  const SharedParameters<T> shared(plan, parameters, Passes::meta_gradient);
  GradientSums<T> sums(plan, direction);
  ThreadPool::instance().parallel_for(sums.chunks.count, threads, [&](Index c) { sums.add_chunk(c, shared, poll); });
  return sums.reduce(threads);
}

template MetaGradient<float> meta_gradient(const Plan<float>&, const float*, Direction, int,
                                           const std::function<void()>&);
template MetaGradient<double> meta_gradient(const Plan<double>&, const double*, Direction, int,
                                            const std::function<void()>&);

}  // namespace innerloop
