// Operations that make, write and read stores of parameters.
#include "../meta/store.h"

#include "../device/mirror.h"
#include "arguments.h"
#include "handle.h"
#include "layout.h"
#include "locks.h"
#include "operations.h"

namespace innerloop {
namespace {

template <class T>
Napi::Value create_store(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return wrap(info.Env(), std::make_shared<Store<T>>(unwrap<Model<T>>(info[0]))); });
}

// The same off the event loop's thread: that of a large store takes its memory page by page.
template <class T>
Napi::Value allocate_store(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::shared_ptr<const Model<T>> model = unwrap<Model<T>>(info[0]);
    const auto store = std::make_shared<std::shared_ptr<Store<T>>>();
    return run_job(
        info.Env(), 1, Length::lengthy, nullptr,
        [model, store](const Poll&) { *store = std::make_shared<Store<T>>(model); },
        [store](Napi::Env env) -> Napi::Value { return wrap(env, std::move(*store)); });
  });
}

template <class T>
Index tensor_index(const Model<T>& model, const Napi::Value& value) {
  return integer(value.ToNumber().DoubleValue(), 0, static_cast<double>(model.tensors.size()) - 1, "tensor");
}

template <class T>
Napi::Value write_tensor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[0]);
    const TensorInfo& t = store->model->tensors[tensor_index(*store->model, info[1])];
    const std::vector<T> data = copy<T>(info[2], "tensor");
    require(static_cast<Index>(data.size()) == t.size, "a tensor must hold as many values as its shape says");
    const auto lock = own_now(*store);
    bring_home(*store);
    inward<T>(t, data.data(), store->values->data() + t.offset);
    updated_here(*store);
    return info.Env().Undefined();
  });
}

// Adds scale · data to a tensor, or to some rows of a table.
template <class T>
Napi::Value add_to_tensor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[0]);
    const Model<T>& model = *store->model;
    const Index index = tensor_index(model, info[1]);
    const TensorInfo& t = model.tensors[index];
    const std::vector<T> data = copy<T>(info[2], "tensor");
    const T scale = static_cast<T>(info[3].ToNumber().DoubleValue());
    const bool is_rows = !info[4].IsUndefined();
    const std::vector<std::int32_t> rows = is_rows ? copy<std::int32_t>(info[4], "rows") : std::vector<std::int32_t>();
    require(!is_rows || t.input >= 0, "only a table has rows");
    const Index width = t.input >= 0 ? model.dim(static_cast<int>(index)) : 0;
    for (const std::int32_t row : rows) require(row >= 0 && row < t.shape[0], "a row is outside of its table");
    require(static_cast<Index>(data.size()) == (is_rows ? static_cast<Index>(rows.size()) * width : t.size),
            "a tensor must hold as many values as its shape says");
    const auto lock = own_now(*store);
    bring_home(*store);
    T* to = store->values->data() + t.offset;
    const auto add = [&](Index n, const T* from, T* into) {
      for (Index i = 0; i < n; ++i) into[i] += scale * from[i];
    };
    if (is_rows) {
      for (std::size_t r = 0; r < rows.size(); ++r)
        add(width, data.data() + static_cast<Index>(r) * width, to + rows[r] * width);
    } else {
      std::vector<T> own(data.size());
      inward<T>(t, data.data(), own.data());
      add(t.size, own.data(), to);
    }
    updated_here(*store);
    return info.Env().Undefined();
  });
}

template <class T>
Napi::Value read_tensor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[0]);
    const TensorInfo& t = store->model->tensors[tensor_index(*store->model, info[1])];
    const auto lock = share_now(*store);
    bring_home(*store);
    return to_typed_array<T>(info.Env(), t, store->values->data() + t.offset);
  });
}

// Gives everything that an exact resume needs, in the layout of the arena.
template <class T>
Napi::Value read_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[0]);
    const auto lock = share_now(*store);
    bring_home(*store);
    Napi::Object state = Napi::Object::New(info.Env());
    state.Set("values", to_typed_array(info.Env(), *store->values));
    state.Set("firstMoment", to_typed_array(info.Env(), store->first_moment));
    state.Set("secondMoment", to_typed_array(info.Env(), store->second_moment));
    std::vector<double> touched;
    for (const auto& rows : store->touched) touched.insert(touched.end(), rows.begin(), rows.end());
    state.Set("touched", to_typed_array(info.Env(), touched));
    state.Set("step", Napi::Number::New(info.Env(), static_cast<double>(store->step)));
    return state;
  });
}

template <class T>
Napi::Value write_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<Store<T>> store = unwrap<Store<T>>(info[0]);
    const Napi::Object state = object(info[1], "state");
    const auto read = [&](const char* name) { return copy<T, Aligned<T>>(state.Get(name), name); };
    const Aligned<T> values = read("values");
    Aligned<T> first = read("firstMoment"), second = read("secondMoment");
    const std::vector<double> touched = copy<double>(state.Get("touched"), "touched");
    const std::size_t size = static_cast<std::size_t>(store->model->arena_size);
    const auto& tensors = store->model->tensors;
    std::size_t rows = 0;
    for (const TensorInfo& t : tensors) rows += t.input >= 0 ? static_cast<std::size_t>(t.shape[0]) : 0;
    require(values.size() == size && first.size() == second.size() && (first.empty() || first.size() == size) &&
                touched.size() == (first.empty() ? 0 : rows),
            "the state belongs to another model");
    auto lock = own_now(*store);
    bring_home(*store);  // what is on a device is then no newer than what is written now
    *store->values = values;
    store->first_moment = std::move(first);
    store->second_moment = std::move(second);
    store->step = integer(state, "step", 0, 9e15);
    store->touched.assign(store->first_moment.empty() ? 0 : tensors.size(), {});
    for (std::size_t t = 0, at = 0; t < store->touched.size(); ++t) {
      if (tensors[t].input < 0) continue;
      for (Index r = 0; r < tensors[t].shape[0]; ++r)
        store->touched[t].push_back(integer(touched[at++], 0, 9e15, "touched"));
    }
    updated_here(*store);
    lock.second.unlock();
    tell_size<T>(info[0]);
    return info.Env().Undefined();
  });
}

}  // namespace

template <class T>
void add_store_operations(const Operations& operations) {
  operations.add("createStore", create_store<T>);
  operations.add("allocateStore", allocate_store<T>);
  operations.add("writeTensor", write_tensor<T>);
  operations.add("addToTensor", add_to_tensor<T>);
  operations.add("readTensor", read_tensor<T>);
  operations.add("readState", read_state<T>);
  operations.add("writeState", write_state<T>);
}

INNERLOOP_OPERATIONS(add_store_operations)

}  // namespace innerloop
