// The exported table of functions. Every call selects the scalar by precision, locks the device, and turns exceptions
// into failure codes.
#include <cstdio>

#include "host/operations.h"

namespace innerloop::device {
namespace {

int32_t put(innerloop_failure* to, const Failure& failure) {
  if (to) {
    to->required = failure.required, to->found = failure.found, to->task = failure.task;
    std::snprintf(to->text, sizeof to->text, "%s", failure.what());
  }
  return failure.code;
}

template <class F>
int32_t guarded(innerloop_failure* failure, const F& body) {
  try {
    body();
    return INNERLOOP_OK;
  } catch (const Failure& caught) {
    return put(failure, caught);
  } catch (const std::bad_alloc&) {
    return put(failure, Failure(INNERLOOP_OUT_OF_MEMORY, "out of memory"));
  } catch (const std::exception& caught) {
    return put(failure, Failure(INNERLOOP_FAILED, caught.what()));
  }
}

// Calls f(T()) with the scalar type of a precision in bytes.
template <class F>
void with_scalar(int precision, const F& f) {
  if (precision == 4) return f(float());
  if (precision == 8) return f(double());
  refuse("this precision");
}

// Objects that are to be destroyed but were released while a call ran. The releasing thread, which may be the event
// loop, does not wait for the call; the next one that holds the device destroys them.
class PendingReleases {
 public:
  void add(std::function<void()> destroy) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(destroy));
  }
  // Destroys all of them; the caller must hold the device.
  void clear() {
    std::vector<std::function<void()>> now;
    {
      const std::lock_guard lock(mutex_);
      now.swap(all_);
    }
    for (const auto& destroy : now) destroy();
  }
  static PendingReleases& one() {
    static PendingReleases* const it = new PendingReleases();
    return *it;
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> all_;
};

template <class F>
int32_t called(innerloop_failure* failure, int precision, const F& f) {
  return guarded(failure, [&] {
    const std::lock_guard lock(runtime().mutex);
    PendingReleases::one().clear();
    with_scalar(precision, f);
  });
}

// Destroys an object now or before the next call; objects are destroyed in the order in which they were released.
template <class X>
void release(X* object) {
  if (!object) return;
  PendingReleases::one().add([object] { delete object; });
  const std::unique_lock lock(runtime().mutex, std::try_to_lock);
  if (lock) PendingReleases::one().clear();
}

int32_t probe(innerloop_device_info* info, innerloop_failure* failure) {
  return guarded(failure, [&] { *info = Runtime::probe(); });
}

int32_t create_model(const innerloop_model_spec* spec, innerloop_model** model, innerloop_failure* failure) {
  return called(failure, spec->precision, [&](auto) { *model = new Model(*spec); });
}
int32_t create_store(innerloop_model* model, innerloop_store** store, innerloop_failure* failure) {
  return called(failure, model->precision,
                [&](auto scalar) { *store = new Store<decltype(scalar)>(static_cast<Model&>(*model)); });
}
int32_t write_store(innerloop_store* store, const innerloop_state* state, innerloop_failure* failure) {
  return called(failure, store->model->precision,
                [&](auto scalar) { static_cast<Store<decltype(scalar)>*>(store)->write(*state); });
}
int32_t read_store(const innerloop_store* store, innerloop_state* state, innerloop_failure* failure) {
  return called(failure, store->model->precision,
                [&](auto scalar) { static_cast<const Store<decltype(scalar)>*>(store)->read(*state); });
}
int32_t create_frame(innerloop_model* model, const innerloop_column* columns, innerloop_frame** frame,
                     innerloop_failure* failure) {
  return called(failure, model->precision,
                [&](auto scalar) { *frame = new Frame<decltype(scalar)>(static_cast<Model&>(*model), columns); });
}
int32_t create_batch(innerloop_frame* frame, const innerloop_batch_spec* spec, innerloop_batch** batch,
                     innerloop_failure* failure) {
  return called(failure, frame->model->precision, [&](auto scalar) {
    using T = decltype(scalar);
    *batch = new Batch<T>(static_cast<Frame<T>&>(*frame), *spec);
  });
}

int32_t check(const innerloop_model* model, const innerloop_loop* loop, innerloop_failure* failure) {
  return guarded(failure, [&] { check_loop(static_cast<const Model&>(*model), *loop); });
}

// Checks the loop, if there is one, and calls f(operations, store, batch) with the types of the store's scalar.
template <class F>
int32_t operate(innerloop_store* store, innerloop_batch* batch, const innerloop_loop* loop, innerloop_failure* failure,
                const F& f) {
  return called(failure, store->model->precision, [&](auto scalar) {
    using T = decltype(scalar);
    if (loop) check_loop(static_cast<const Model&>(*store->model), *loop);
    f(Operations<T>(), static_cast<Store<T>&>(*store), static_cast<Batch<T>&>(*batch));
  });
}

int32_t meta_gradient(innerloop_store* store, innerloop_batch* batch, const innerloop_loop* loop, int32_t direction,
                      innerloop_meta_gradient_result* result, innerloop_failure* failure) {
  return operate(store, batch, loop, failure,
                 [&](auto ops, auto& s, auto& b) { ops.meta_gradient(s, b, *loop, direction, *result); });
}
int32_t train_step(innerloop_store* store, innerloop_batch* batch, const innerloop_loop* loop, int32_t direction,
                   const innerloop_optimizer* optimizer, const innerloop_optimizer* rate_optimizer,
                   innerloop_step_result* result, innerloop_failure* failure) {
  return operate(store, batch, loop, failure, [&](auto ops, auto& s, auto& b) {
    ops.train_step(s, b, *loop, direction, *optimizer, rate_optimizer, *result);
  });
}
int32_t adapt(innerloop_store* store, innerloop_batch* batch, const innerloop_loop* loop,
              innerloop_adapted_result* result, innerloop_failure* failure) {
  return operate(store, batch, loop, failure, [&](auto ops, auto& s, auto& b) { ops.adapt(s, b, *loop, *result); });
}
int32_t predict(innerloop_store* store, innerloop_batch* batch, const innerloop_loop* loop,
                const innerloop_start* starts, int64_t start_count, innerloop_outputs* outputs,
                innerloop_failure* failure) {
  return operate(store, batch, loop, failure,
                 [&](auto ops, auto& s, auto& b) { ops.predict(s, b, *loop, starts, start_count, *outputs); });
}
int32_t hessian_vector_product(innerloop_store* store, innerloop_batch* batch, const innerloop_store* vector,
                               innerloop_product_result* result, innerloop_failure* failure) {
  return operate(store, batch, nullptr, failure, [&](auto ops, auto& s, auto& b) {
    ops.hessian_vector_product(s, b, static_cast<const std::remove_reference_t<decltype(s)>&>(*vector), *result);
  });
}

const innerloop_device table = {
    INNERLOOP_INTERFACE_VERSION,
    sizeof(innerloop_device),
    probe,
    create_model,
    release<innerloop_model>,
    create_store,
    release<innerloop_store>,
    write_store,
    read_store,
    create_frame,
    release<innerloop_frame>,
    create_batch,
    release<innerloop_batch>,
    check,
    meta_gradient,
    train_step,
    adapt,
    predict,
    hessian_vector_product,
};

}  // namespace
}  // namespace innerloop::device

int32_t innerloop_device_interface(uint32_t version, const innerloop_device** device, innerloop_failure* failure) {
  using namespace innerloop::device;
  if (version == INNERLOOP_INTERFACE_VERSION) {
    *device = &table;
    return INNERLOOP_OK;
  }
  return put(failure, Failure(INNERLOOP_INTERFACE,
                              "the plugin has version " + std::to_string(INNERLOOP_INTERFACE_VERSION) +
                                  " of the interface, version " + std::to_string(version) + " was requested",
                              static_cast<int>(version), INNERLOOP_INTERFACE_VERSION));
}
