// The operations of the interface for one scalar type.
#pragma once
#include "objects.h"

namespace innerloop::device {

// Throws Failure with the name of the first feature of a loop that the device does not support.
void check_loop(const Model& model, const innerloop_loop& loop);

template <class T>
struct Operations {
  static void meta_gradient(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction,
                            innerloop_meta_gradient_result& result);
  static void train_step(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, int direction,
                         const innerloop_optimizer& optimizer, const innerloop_optimizer* rate_optimizer,
                         innerloop_step_result& result);
  static void adapt(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, innerloop_adapted_result& result);
  static void predict(Store<T>& store, Batch<T>& batch, const innerloop_loop& loop, const innerloop_start* starts,
                      Index start_count, innerloop_outputs& outputs);
  static void hessian_vector_product(Store<T>& store, Batch<T>& batch, const Store<T>& vector,
                                     innerloop_product_result& result);
};

}  // namespace innerloop::device
