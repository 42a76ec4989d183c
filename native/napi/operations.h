// The functions that lib/addon.ts declares, for one scalar type.
#pragma once
#include <mutex>
#include <shared_mutex>

#include "../device/calls.h"
#include "../device/mirror.h"
#include "build.h"
#include "episode.h"
#include "layout.h"

namespace innerloop {

template <class T>
struct Operations {
  using Info = Napi::CallbackInfo;
  using StorePtr = std::shared_ptr<Store<T>>;
  using BatchPtr = std::shared_ptr<Batch<T>>;

  static Napi::Object table(Napi::Env env) {
    Napi::Object exports = Napi::Object::New(env);
    const auto add = [&](const char* name, Napi::Value (*f)(const Info&)) {
      exports.Set(name, Napi::Function::New(env, f, name));
    };
    add("createModel", create_model);
    add("createStore", create_store);
    add("writeTensor", write_tensor);
    add("readTensor", read_tensor);
    add("readState", read_state);
    add("writeState", write_state);
    add("createFrame", create_frame);
    add("createBatch", create_batch);
    add("createEpisode", create_episode);
    add("createInnerLoop", create_inner_loop);
    add("metaGradient", meta_gradient_);
    add("trainStep", train_step);
    add("adapt", adapt<false>);
    add("adaptSync", adapt<true>);
    add("readAdapted", read_adapted);
    add("predict", predict<false>);
    add("predictSync", predict<true>);
    add("hessianVectorProduct", hessian_vector_product_);
    return exports;
  }

 private:
  static Napi::Value create_model(const Info& info) {
    return guarded(info.Env(), [&] {
      const Napi::Object spec = object(info[0], "spec");
      const std::shared_ptr<Model<T>> model = build_model<T>(spec);
      if (!spec.Get("device").IsUndefined()) attach(*model, Plugin::load(spec.Get("device").ToString().Utf8Value()));
      return wrap(info.Env(), model);
    });
  }

  static Napi::Value create_store(const Info& info) {
    return guarded(info.Env(), [&] { return wrap(info.Env(), std::make_shared<Store<T>>(unwrap<Model<T>>(info[0]))); });
  }

  static Index tensor_index(const Model<T>& model, const Napi::Value& value) {
    return integer(value.ToNumber().DoubleValue(), 0, static_cast<double>(model.tensors.size()) - 1, "tensor");
  }

  // The event loop must not wait for a running job, so a store in use refuses.
  template <class Lock>
  static Lock lock_now(const Store<T>& store) {
    Lock lock(store.mutex, std::try_to_lock);
    if (!lock.owns_lock()) throw Error("INVALID_OPTION", "these parameters are in use by a running call");
    return lock;
  }

  static Napi::Value write_tensor(const Info& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const StorePtr store = unwrap<Store<T>>(info[0]);
      const TensorInfo& t = store->model->tensors[tensor_index(*store->model, info[1])];
      const std::vector<T> data = copy<T>(info[2], "tensor");
      require(static_cast<Index>(data.size()) == t.size, "a tensor must hold as many values as its shape says");
      const auto lock = lock_now<std::unique_lock<std::shared_mutex>>(*store);
      bring_home(*store);
      inward<T>(t, data.data(), store->values->data() + t.offset);
      updated_here(*store);
      return info.Env().Undefined();
    });
  }

  static Napi::Value read_tensor(const Info& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const StorePtr store = unwrap<Store<T>>(info[0]);
      const TensorInfo& t = store->model->tensors[tensor_index(*store->model, info[1])];
      const auto lock = lock_now<std::shared_lock<std::shared_mutex>>(*store);
      bring_home(*store);
      return to_typed_array<T>(info.Env(), t, store->values->data() + t.offset);
    });
  }

  // Everything an exact resume needs, in the arena's own layout.
  static Napi::Value read_state(const Info& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const StorePtr store = unwrap<Store<T>>(info[0]);
      const auto lock = lock_now<std::shared_lock<std::shared_mutex>>(*store);
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

  static Napi::Value write_state(const Info& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const StorePtr store = unwrap<Store<T>>(info[0]);
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
      const auto lock = lock_now<std::unique_lock<std::shared_mutex>>(*store);
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
      return info.Env().Undefined();
    });
  }

  static Napi::Value create_frame(const Info& info) {
    return guarded(info.Env(), [&] {
      return wrap(info.Env(), build_frame<T>(unwrap<Model<T>>(info[0]), object(info[1], "frame")));
    });
  }

  static Napi::Value create_batch(const Info& info) {
    return guarded(info.Env(), [&] {
      return wrap(info.Env(),
                  build_batch<T>(unwrap<Model<T>>(info[0]), unwrap<Frame<T>>(info[1]), object(info[2], "batch")));
    });
  }

  static Napi::Value create_episode(const Info& info) {
    return guarded(info.Env(), [&] {
      return wrap(info.Env(), build_episode<T>(unwrap<Model<T>>(info[0]), object(info[1], "program")));
    });
  }

  static Napi::Value create_inner_loop(const Info& info) {
    return guarded(info.Env(), [&] {
      return wrap(info.Env(),
                  std::make_shared<PreparedInnerLoop<T>>(prepare(unwrap<Model<T>>(info[0]), object(info[1], "inner"))));
    });
  }
  static PreparedInnerLoop<T> prepare(std::shared_ptr<const Model<T>> model, const Napi::Object& from) {
    PreparedInnerLoop<T> loop{std::move(model), {}, nullptr};
    loop.inner = build_inner_loop<T>(*loop.model, from);
    build_programs(*loop.model, from, loop.inner);
    if (loop.inner.rate_kind == RateKind::per_parameter) loop.rates = unwrap<Store<T>>(from.Get("rates"));
    check_loop(*loop.model, loop.inner);
    return loop;
  }

  // What every compute call takes: parameters, batch, inner loop, threads, abort token.
  struct Call {
    StorePtr store;
    BatchPtr batch;
    InnerLoop<T> inner;
    StorePtr rates;  // where the rates are parameters
    int threads;
    std::shared_ptr<Token> token;

    Work<T> work(const std::function<void()>& poll) const {
      return {*store, *batch, inner, rates.get(), threads, poll};
    }
  };
  static std::shared_ptr<Call> call(const Info& info, bool labels) {
    const Napi::Object options = object(info[0], "options");
    auto c = std::make_shared<Call>();
    c->store = unwrap<Store<T>>(options.Get("store"));
    c->batch = unwrap<Batch<T>>(options.Get("batch"));
    require(c->store->model == c->batch->model, "the parameters and the batch belong to different models");
    require(!labels || !c->batch->labels.empty() || c->batch->begin.back() == 0, "the batch has no labels");
    const Napi::Object inner = object(options.Get("inner"), "inner");
    const PreparedInnerLoop<T> loop =
        is_handle<PreparedInnerLoop<T>>(inner) ? *unwrap<PreparedInnerLoop<T>>(inner) : prepare(c->store->model, inner);
    require(loop.model == c->store->model, "the inner loop belongs to another model");
    c->inner = loop.inner;
    c->rates = loop.rates;
    require(!c->rates || c->rates != c->store, "the rates must have a store of their own");
    c->threads = static_cast<int>(integer(options, "threads", 1, 1024));
    if (!options.Get("token").IsUndefined()) c->token = unwrap<Token>(options.Get("token"));
    return c;
  }
  // A promise of what `finish` makes of the work, or that itself. Either holds the parameters against an update; the
  // event loop does not wait for one that runs.
  template <bool Sync>
  static Napi::Value run_reading(Napi::Env env, const std::shared_ptr<Call>& c,
                                 std::function<void(const std::function<void()>&)> work,
                                 std::function<Napi::Value(Napi::Env)> finish) {
    if constexpr (Sync) {
      c->threads = 1;
      const auto lock = lock_now<std::shared_lock<std::shared_mutex>>(*c->store);
      const auto rates_lock =
          c->rates ? lock_now<std::shared_lock<std::shared_mutex>>(*c->rates) : std::shared_lock<std::shared_mutex>();
      return run_inline(env, work, finish);
    } else {
      return run_job(
          env, c->threads, c->token,
          [c, work = std::move(work)](const std::function<void()>& poll) {
            const std::shared_lock lock(c->store->mutex);
            const auto rates_lock = lock_rates(*c);
            work(poll);
          },
          std::move(finish));
    }
  }
  static std::shared_lock<std::shared_mutex> lock_rates(const Call& c) {
    return c.rates ? std::shared_lock(c.rates->mutex) : std::shared_lock<std::shared_mutex>();
  }
  static Napi::Value step_rates(Napi::Env env, const std::vector<std::vector<T>>& gradient) {
    Napi::Array rates = Napi::Array::New(env);
    for (const auto& g : gradient) rates.Set(rates.Length(), to_typed_array(env, g));
    return rates;
  }
  static Direction direction(const Info& info) {
    return static_cast<Direction>(integer(object(info[0], "options"), "direction", 0, 1));
  }

  static Napi::Value meta_gradient_(const Info& info) {
    return guarded(info.Env(), [&] {
      const auto c = call(info, true);
      const Direction way = direction(info);
      const auto result = std::make_shared<MetaGradient<T>>();
      return run_job(
          info.Env(), c->threads, c->token,
          [c, way, result](const std::function<void()>& poll) {
            const std::shared_lock lock(c->store->mutex);
            const auto rates_lock = lock_rates(*c);
            *result = run_meta_gradient<T>(c->work(poll), way);
          },
          [c, result](Napi::Env env) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("loss", Napi::Number::New(env, result->loss));
            out.Set("taskLosses", to_typed_array(env, result->task_losses));
            out.Set("gradient", densify(env, *c->store->model, result->gradient));
            if (c->inner.rate_kind == RateKind::per_parameter)
              out.Set("rateGradient", densify(env, *c->store->model, result->rate_gradient));
            if (c->inner.rate_kind == RateKind::per_tensor_step)
              out.Set("rateGradient", step_rates(env, result->step_rate_gradient));
            return out;
          });
    });
  }

  static Napi::Value train_step(const Info& info) {
    return guarded(info.Env(), [&] {
      const auto c = call(info, true);
      const Direction way = direction(info);
      const Napi::Object options = object(info[0], "options");
      const OptimizerOptions optimizer =
          build_optimizer(object(options.Get("optimizer"), "optimizer"), c->store->model->tensors.size());
      const bool learn_rates = c->rates && !options.Get("rateOptimizer").IsUndefined();
      const OptimizerOptions rate_optimizer =
          learn_rates
              ? build_optimizer(object(options.Get("rateOptimizer"), "rateOptimizer"), c->store->model->tensors.size())
              : OptimizerOptions{};
      const auto result = std::make_shared<TrainStep<T>>();
      return run_job(
          info.Env(), c->threads, c->token,
          [c, way, optimizer, learn_rates, rate_optimizer, result](const std::function<void()>& poll) {
            std::unique_lock lock(c->store->mutex, std::defer_lock);
            std::unique_lock<std::shared_mutex> rates_lock;
            if (c->rates) {
              rates_lock = std::unique_lock(c->rates->mutex, std::defer_lock);
              std::lock(lock, rates_lock);
            } else {
              lock.lock();
            }
            *result = run_train_step<T>(c->work(poll), way, optimizer, learn_rates ? &rate_optimizer : nullptr);
          },
          [result](Napi::Env env) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("loss", Napi::Number::New(env, result->loss));
            out.Set("gradientNorm", Napi::Number::New(env, result->norm));
            out.Set("taskLosses", to_typed_array(env, result->task_losses));
            if (!result->step_rate_gradient.empty())
              out.Set("rateGradient", step_rates(env, result->step_rate_gradient));
            return out;
          });
    });
  }

  template <bool Sync>
  static Napi::Value adapt(const Info& info) {
    return guarded(info.Env(), [&] {
      const auto c = call(info, true);
      const auto result = std::make_shared<std::vector<Adapted<T>>>();
      return run_reading<Sync>(
          info.Env(), c, [c, result](const std::function<void()>& poll) { *result = run_adapt<T>(c->work(poll)); },
          [result](Napi::Env env) -> Napi::Value {
            Napi::Array out = Napi::Array::New(env);
            for (Adapted<T>& task : *result)
              out.Set(out.Length(), wrap(env, std::make_shared<Adapted<T>>(std::move(task))));
            return out;
          });
    });
  }

  // The fast tensors of an adapted task in full, by tensor; an embedding's other rows come from the shared parameters.
  static Napi::Value read_adapted(const Info& info) {
    return guarded(info.Env(), [&]() -> Napi::Value {
      const auto adapted = unwrap<Adapted<T>>(info[0]);
      const StorePtr store = unwrap<Store<T>>(info[1]);
      const Model<T>& model = *adapted->model;
      require(store->model == adapted->model, "the parameters belong to another model");
      const auto lock = lock_now<std::shared_lock<std::shared_mutex>>(*store);
      bring_home(*store);
      Napi::Array out = Napi::Array::New(info.Env(), model.tensors.size());
      for (std::size_t i = 0; i < model.tensors.size(); ++i) {
        const TensorInfo& t = model.tensors[i];
        if (!adapted->fast[i]) continue;
        if (t.input < 0) {
          out.Set(static_cast<std::uint32_t>(i), to_typed_array<T>(info.Env(), t, adapted->dense[i].data()));
          continue;
        }
        std::vector<T> full(store->values->data() + t.offset, store->values->data() + t.offset + t.size);
        const Index dim = model.dim(static_cast<int>(i));
        for (std::size_t r = 0; r < adapted->rows[i].size(); ++r)
          std::copy_n(adapted->blocks[i].data() + r * dim, dim, full.data() + adapted->rows[i][r] * dim);
        out.Set(static_cast<std::uint32_t>(i), to_typed_array(info.Env(), full));
      }
      return out;
    });
  }

  template <bool Sync>
  static Napi::Value predict(const Info& info) {
    return guarded(info.Env(), [&] {
      const Napi::Object options = object(info[0], "options");
      const auto c = call(info, options.Get("after").ToBoolean());
      const bool before = options.Get("before").ToBoolean(), after = options.Get("after").ToBoolean();
      std::shared_ptr<Adapted<T>> start;
      if (!options.Get("adapted").IsUndefined()) {
        start = unwrap<Adapted<T>>(options.Get("adapted"));
        require(start->model == c->store->model, "the adapted parameters belong to another model");
        // Steps on another selection than the rates and the solver were checked for would read beyond them.
        require(!after || start->fast == c->inner.fast, "the adapted parameters are of another selection");
        c->inner.fast = start->fast;
        c->inner.episode = start->episode;
      }
      const bool variance = options.Get("variance").ToBoolean();
      const bool solved = c->inner.solver == SolverKind::ridge || c->inner.solver == SolverKind::laplace;
      require(!variance || (after ? solved : before && start && !start->factor.empty()),
              "only a last layer in closed form has a variance");
      const auto result = std::make_shared<QueryOutputs<T>>();
      return run_reading<Sync>(
          info.Env(), c,
          [c, before, after, variance, start, result](const std::function<void()>& poll) {
            const Prediction<T> wanted{.before = before, .after = after, .variance = variance, .start = start.get()};
            *result = run_predict<T>(c->work(poll), wanted);
          },
          [before, after, variance, result](Napi::Env env) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            if (before) out.Set("before", to_typed_array(env, result->before));
            if (after) out.Set("after", to_typed_array(env, result->after));
            if (variance) out.Set("variance", to_typed_array(env, result->variance));
            return out;
          });
    });
  }

  static Napi::Value hessian_vector_product_(const Info& info) {
    return guarded(info.Env(), [&] {
      const auto c = call(info, true);
      const StorePtr vector = unwrap<Store<T>>(object(info[0], "options").Get("vector"));
      require(vector->model == c->store->model && vector != c->store, "the vector belongs to another model");
      require(c->batch->tasks() == 1, "a Hessian-vector product is of one set of rows");
      const auto result = std::make_shared<HessianVectorProduct<T>>();
      return run_job(
          info.Env(), c->threads, c->token,
          [c, vector, result](const std::function<void()>& poll) {
            const std::shared_lock lock(c->store->mutex), vector_lock(vector->mutex);
            *result = run_hessian_vector_product<T>(c->work(poll), *vector);
          },
          [c, result](Napi::Env env) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("loss", Napi::Number::New(env, result->loss));
            out.Set("gradient", densify(env, *c->store->model, result->gradient));
            out.Set("product", densify(env, *c->store->model, result->product));
            return out;
          });
    });
  }
};

}  // namespace innerloop
