// Operations that rank the items of a catalogue, and that give native objects up before the garbage collector does.
#include "../serving/ranking.h"

#include <algorithm>
#include <cmath>

#include "../device/mirror.h"
#include "../layers/layer.h"
#include "../serving/posterior_sample.h"
#include "../serving/posterior_update.h"
#include "../serving/similar_items.h"
#include "batch.h"
#include "call.h"
#include "operations.h"
#include "packed.h"
#include "texts.h"

namespace innerloop {
namespace {

std::vector<std::int32_t> rows_of(const Napi::Value& value, Index items, const char* name) {
  std::vector<std::int32_t> rows = copy<std::int32_t>(value, name);
  for (std::size_t i = 0; i < rows.size(); ++i)
    require(rows[i] >= 0 && rows[i] < items && (i == 0 || rows[i - 1] < rows[i]),
            "rows of items must ascend within the catalogue");
  return rows;
}

// { items, rows?, offset?, boost? }
Napi::Value create_item_pool(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object from = object(info[0], "pool");
    auto pool = std::make_shared<ItemPool>();
    pool->items = integer(from, "items", 1, kMaxCount);
    pool->whole = from.Get("rows").IsUndefined();
    if (!pool->whole) pool->rows = rows_of(from.Get("rows"), pool->items, "rows");
    const auto terms = [&](const char* name) {
      std::vector<double> values;
      if (from.Get(name).IsUndefined()) return values;
      values = copy<double>(from.Get(name), name);
      require(static_cast<Index>(values.size()) == pool->items, "a term must hold one value for each item");
      return values;
    };
    pool->offset = terms("offset");
    pool->boost = terms("boost");
    return wrap(info.Env(), std::move(pool));
  });
}

// Makes a batch of one query row, which will be scored with every item in turn.
template <class T>
std::shared_ptr<Batch<T>> read_one(const std::shared_ptr<const Model<T>>& model, const Napi::Value& frame,
                                   const Napi::Value& rows) {
  auto one = build_batch<T>(model, unwrap<Frame<T>>(frame), object(rows, "rows"));
  require(one->begin.size() == 3 && one->begin[1] == 0 && one->begin[2] == 1, "one row of one user is read");
  return one;
}

std::vector<int> read_sides(const Napi::Object& options, std::size_t sides) {
  return numbers<int>(options.Get("itemSides"), "itemSides", 0, static_cast<double>(sides) - 1);
}

template <class T>
void require_within(const Batch<T>& one, const std::vector<int>& item_sides, Index items) {
  for (const int side : item_sides)
    require(side < static_cast<int>(one.frame->side_rows.size()) && one.frame->side_rows[side] >= items,
            "the catalogue has more items than the frame");
}

// { store, threads, token, frame, one, itemSides, items, inner }: a promise of a handle.
template <class T>
Napi::Value create_item_features(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto c = read_call<T>(info, false);
    const Index items = integer(options, "items", 1, kMaxCount);
    const std::vector<int> sides = read_sides(options, c->batch->sides.size());
    require(c->batch->begin.size() == 3 && c->batch->begin[1] == 0 && c->batch->begin[2] == 1,
            "one row of one user is read");
    require_within(*c->batch, sides, items);
    require(c->store->model->last_layer != nullptr, "only a linear last layer reads features");
    if (c->store->model->device)
      throw Error("UNSUPPORTED", "features of items that are kept for all users are not supported on the device");
    const auto result = std::make_shared<ItemFeatures<T>>();
    return run_reading<false>(
        info.Env(), c, length_of(static_cast<double>(items) * work_of(c->inner, *c->batch, Wanted::outputs)),
        [c, items, sides, result](const Poll& poll) {
          std::vector<std::int32_t> rows(static_cast<std::size_t>(items));
          for (Index i = 0; i < items; ++i) rows[i] = static_cast<std::int32_t>(i);
          const auto batch = for_items<T>(*c->batch, rows, sides);
          const Plan<T> plan(*c->store->model, c->inner, *batch, c->threads);
          *result = item_features<T>(plan, c->store->values->data(), c->threads, poll);
        },
        [result](Napi::Env env) -> Napi::Value { return wrap(env, result); });
  });
}

// (features, rows): [rows, width] of them.
template <class T>
Napi::Value read_item_features(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto features = unwrap<ItemFeatures<T>>(info[0]);
    const std::vector<std::int32_t> rows = copy<std::int32_t>(info[1], "rows");
    auto out = Napi::TypedArrayOf<T>::New(info.Env(), rows.size() * static_cast<std::size_t>(features->width));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      require(rows[i] >= 0 && rows[i] < features->items, "a row is outside the catalogue");
      std::copy_n(features->values.data() + rows[i] * features->width, features->width,
                  out.Data() + i * features->width);
    }
    return out;
  });
}

// (vectors, items): a handle, as createItemFeatures gives it, of vectors that no last layer reads.
template <class T>
Napi::Value create_item_vectors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto features = std::make_shared<ItemFeatures<T>>();
    features->values = copy<T, Aligned<T>>(info[0], "vectors");
    if (!info[1].IsNumber()) throw Error("INVALID_OPTION", "items must be a number");
    features->items = integer(info[1].As<Napi::Number>().DoubleValue(), 1, kMaxCount, "items");
    const Index numbers = static_cast<Index>(features->values.size());
    require(numbers > 0 && numbers % features->items == 0, "vectors must be of one length, one for each item");
    features->width = numbers / features->items;
    return wrap(info.Env(), std::move(features));
  });
}

// (features, { row, count, threads, token? }): a promise of { rows, similarities }, the nearest first.
template <class T>
Napi::Value find_similar_items(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto features = unwrap<ItemFeatures<T>>(info[0]);
    const Napi::Object options = object(info[1], "options");
    require(features->items > 1, "there are no items");
    const Index row = integer(options, "row", 1, static_cast<double>(features->items) - 1);
    const Index count = std::min(features->items, integer(options, "count", 1, kMaxCount));
    const int threads = static_cast<int>(integer(options, "threads", 1, 1024));
    std::shared_ptr<Token> token;
    if (!options.Get("token").IsUndefined()) token = unwrap<Token>(options.Get("token"));
    const auto found = std::make_shared<std::vector<Ranked>>();
    return run_job(
        info.Env(), threads, length_of(2.0 * static_cast<double>(features->values.size())), std::move(token),
        [features, row, count, threads, found](const Poll& poll) {
          *found = similar_items<T>(*features, row, count, threads, poll);
        },
        [found](Napi::Env env) -> Napi::Value {
          auto rows = Napi::Int32Array::New(env, found->size());
          auto similarities = Napi::Float64Array::New(env, found->size());
          for (std::size_t i = 0; i < found->size(); ++i) {
            rows.Data()[i] = (*found)[i].row;
            similarities.Data()[i] = (*found)[i].score;
          }
          Napi::Object out = Napi::Object::New(env);
          out.Set("rows", rows);
          out.Set("similarities", similarities);
          return out;
        });
  });
}

// { index, joined, lengths, skip }
NamedItems read_named(const Napi::Object& from, Index items) {
  NamedItems named;
  named.index = unwrap<TextIndex>(from.Get("index"));
  require(named.index->is_complete() && named.index->size() == items, "the index is of another catalogue");
  named.ids = read_texts(from.Get("joined"), from.Get("lengths"), "joined");
  named.skip = from.Get("skip").ToBoolean();
  return named;
}

// Reads a ranking from what lib/foundation/native-contract.ts calls NativeRanking.
template <class T>
std::shared_ptr<Ranking<T>> read_ranking(const Napi::Object& options, const std::shared_ptr<const Model<T>>& model) {
  auto ranking = std::make_shared<Ranking<T>>();
  ranking->model = model;
  ranking->pool = unwrap<ItemPool>(options.Get("pool"));
  const Index items = ranking->pool->items;
  ranking->by_among = !options.Get("among").IsUndefined();
  if (ranking->by_among) {
    const Napi::Value among = options.Get("among");
    if (among.IsTypedArray())
      ranking->among = rows_of(among, items, "among");
    else
      ranking->named = read_named(object(among, "among"), items);
  }
  ranking->count = integer(options, "count", 1, kMaxCount);
  ranking->count = std::min(ranking->count, items);
  ranking->scoring.mean = number(options, "mean");
  ranking->scoring.moderated = options.Get("moderated").ToBoolean();
  if (!options.Get("features").IsUndefined()) {
    ranking->features = unwrap<ItemFeatures<T>>(options.Get("features"));
    require(ranking->features->model == model && ranking->features->items == items,
            "the features belong to another catalogue");
    require(!ranking->scoring.moderated && model->spec.outputs() == 1, "features give one output alone");
  }
  ranking->inner.fast.assign(model->tensors.size(), 0);
  const auto adapted = read_adapted_tasks<T>(model, options);
  const Napi::Array users = array(options.Get("users"), "users");
  require(users.Length() == adapted.size(), "one user for each adapted task");
  for (std::uint32_t u = 0; u < users.Length(); ++u) {
    const Napi::Object from = object(users.Get(u), "user");
    RankedUser<T> user;
    user.adapted = adapted[u];
    user.bias = number(from, "bias");
    user.exclude = rows_of(from.Get("exclude"), items, "exclude");
    require(!ranking->scoring.moderated || user.adapted->has_posterior(),
            "only a last layer in closed form has a variance");
    if (ranking->features) {
      require(!user.adapted->graph, "a graph reads no features");
      for (std::size_t t = 0; t < model->tensors.size(); ++t)
        require(!user.adapted->fast[t] || static_cast<int>(t) == model->last_layer->weight ||
                    static_cast<int>(t) == model->last_layer->bias,
                "more than the last layer is adapted");
    } else {
      user.one = read_one<T>(model, options.Get("frame"), from.Get("one"));
      ranking->item_sides = read_sides(options, user.one->sides.size());
      require_within(*user.one, ranking->item_sides, items);
    }
    ranking->users.push_back(std::move(user));
  }
  return ranking;
}

// The lists of users, or the place of the id for which there are none.
struct Lists {
  std::vector<std::vector<Ranked>> of;
  Index unknown = -1;
};

// { rows [users, count], scores, counts [users], unknown? }; what is beyond a user's count is 0.
Napi::Value lists_to_object(Napi::Env env, const Lists& ranked) {
  const std::vector<std::vector<Ranked>>& lists = ranked.of;
  std::size_t longest = 0;
  for (const auto& list : lists) longest = std::max(longest, list.size());
  auto rows = Napi::Int32Array::New(env, lists.size() * longest), counts = Napi::Int32Array::New(env, lists.size());
  auto scores = Napi::Float64Array::New(env, lists.size() * longest);
  auto keys = Napi::Float64Array::New(env, lists.size() * longest);
  for (std::size_t u = 0; u < lists.size(); ++u) {
    counts.Data()[u] = static_cast<std::int32_t>(lists[u].size());
    for (std::size_t i = 0; i < lists[u].size(); ++i) {
      rows.Data()[u * longest + i] = lists[u][i].row;
      scores.Data()[u * longest + i] = lists[u][i].score;
      keys.Data()[u * longest + i] = lists[u][i].key;
    }
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("rows", rows);
  out.Set("scores", scores);
  out.Set("keys", keys);
  out.Set("counts", counts);
  out.Set("width", Napi::Number::New(env, static_cast<double>(longest)));
  if (ranked.unknown >= 0) out.Set("unknown", Napi::Number::New(env, static_cast<double>(ranked.unknown)));
  return out;
}

// Whether it takes longer to wake another thread, some ten microseconds, than to rank. In a long catalogue a candidate
// may be a tenth of a microsecond away, whatever its features' width.
template <class T>
bool is_tiny(const Ranking<T>& ranking) {
  constexpr Index kTiny = Index{1} << 16, kFew = 128;
  if (!ranking.features || !ranking.by_among) return false;
  const Index users = static_cast<Index>(ranking.users.size()), candidates = most_candidates(ranking);
  return candidates <= kFew && users * candidates * (ranking.features->width + 1) <= kTiny;
}

// Gives the lists, or a promise of them.
template <class T>
Napi::Value rank(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto store = unwrap<Store<T>>(options.Get("store"));
    const auto ranking = read_ranking<T>(options, store->model);
    const int threads = static_cast<int>(integer(options, "threads", 1, 1024));
    std::shared_ptr<Token> token;
    if (!options.Get("token").IsUndefined()) token = unwrap<Token>(options.Get("token"));
    const auto lists = std::make_shared<Lists>();
    const auto rank_now = [store, ranking, lists](int n, const Poll& poll) {
      const Predict<T> predict = [&](const Batch<T>& batch, const InnerLoop<T>& inner, const Prediction<T>& wanted) {
        return run_predict<T>({*store, batch, inner, nullptr, n, poll}, wanted);
      };
      lists->unknown = resolve_among(*ranking);
      if (lists->unknown < 0) lists->of = rank_items<T>(*ranking, store->values->data(), predict, n, poll);
    };
    if (!store->model->device && is_tiny(*ranking)) {
      // The event loop does not wait for an update of the parameters: while one runs, the work goes to the pool.
      const std::shared_lock lock(store->mutex, std::try_to_lock);
      if (lock)
        return run_inline(
            info.Env(), [&](const Poll& poll) { rank_now(1, poll); },
            [&](Napi::Env env) -> Napi::Value { return lists_to_object(env, *lists); });
    }
    return run_job(
        info.Env(), threads, length_of(work_of_ranking(*ranking)), std::move(token),
        [store, rank_now, threads](const Poll& poll) {
          const std::shared_lock lock(store->mutex);
          rank_now(threads, poll);
        },
        [lists](Napi::Env env) -> Napi::Value { return lists_to_object(env, *lists); });
  });
}

// (model, { store, adapted: [bytes], selection, normals, scale }): bytes.
template <class T>
Napi::Value sample_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object(info[1], "options");
    const std::shared_ptr<const Model<T>> model = unwrap<Model<T>>(info[0]);
    const auto adapted = read_adapted_tasks<T>(model, options);
    require(adapted.size() == 1, "one task is drawn at a time");
    const auto store = unwrap<Store<T>>(options.Get("store"));
    require(store->model == model, "the parameters belong to another model");
    const std::vector<double> normals = copy<double>(options.Get("normals"), "normals");
    const auto lock = share_now(*store);
    bring_home(*store);
    const Adapted<T> drawn = sample_posterior(*adapted[0], store->values->data(), normals, number(options, "scale"));
    return bytes_to_array(info.Env(), pack_adapted(drawn));
  });
}

// The call of a batch with one support row, and { adapted: [bytes], selection, before?, shift }:
// { adapted, certain }, without and with the posterior, or a promise of them.
template <class T>
Napi::Value update_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    constexpr Index kTiny = 128;  // a layer with fewer weights takes less time than to wake a thread
    const Napi::Object options = object(info[0], "options");
    const auto c = read_call<T>(info, true);
    const auto adapted = read_adapted_tasks<T>(c->store->model, options);
    require(adapted.size() == 1 && c->batch->begin.size() == 3 && c->batch->begin[1] == 1 && c->batch->begin[2] == 1,
            "one row of one user is added");
    require(c->inner.solver == SolverKind::ridge && adapted[0]->has_posterior() && adapted[0]->fast == c->inner.fast,
            "only a ridge regression takes rows one by one");
    require(!c->inner.graph, "a prior mean that is made of the support rows takes no row by itself");
    if (c->store->model->device) throw Error("UNSUPPORTED", "an update row by row is not supported on the device");
    RowChange change;
    change.shift = number(options, "shift");
    if (!options.Get("before").IsUndefined()) change.before = number(options, "before");
    const auto result = std::make_shared<Adapted<T>>();
    const Work work = [c, adapted, change, result](const Poll& poll) {
      const Plan<T> plan(*c->store->model, c->inner, *c->batch, 1);
      *result = update_posterior<T>(plan, c->store->values->data(), *adapted[0], change, poll);
    };
    const Finish finish = [result](Napi::Env env) -> Napi::Value {
      Napi::Object out = Napi::Object::New(env);
      out.Set("certain", bytes_to_array(env, pack_adapted(*result)));
      result->mode.clear(), result->factor.clear(), result->dual.reset();
      out.Set("adapted", bytes_to_array(env, pack_adapted(*result)));
      return out;
    };
    if (c->store->model->last_layer->I < kTiny) {
      const std::shared_lock lock(c->store->mutex, std::try_to_lock);
      if (lock) return run_inline(info.Env(), work, finish);
    }
    // A row takes d² operations; the one that makes rows as many as weights changes the form of the factor and takes
    // d³.
    const double d = static_cast<double>(c->store->model->last_layer->I + 1);
    return run_reading<false>(info.Env(), c, length_of(d * d * d), work, finish);
  });
}

template <class X>
bool released(Napi::Env env, const Napi::Value& value) {
  if (!is_handle<X>(value)) return false;
  Holder<X>& holder = holder_of<X>(value);
  holder.x = nullptr;  // jobs that use it hold it until they end
  holder.tell(env);
  return true;
}

template <class T>
Napi::Value release(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const bool done = released<Store<T>>(env, info[0]) || released<Frame<T>>(env, info[0]) ||
                      released<Batch<T>>(env, info[0]) || released<Adapted<T>>(env, info[0]) ||
                      released<ItemFeatures<T>>(env, info[0]) || released<ItemPool>(env, info[0]);
    require(done, "this is nothing to be released");
    return env.Undefined();
  });
}

}  // namespace

template <class T>
void add_serving_operations(const Operations& operations) {
  operations.add("createItemPool", create_item_pool);
  operations.add("createItemFeatures", create_item_features<T>);
  operations.add("readItemFeatures", read_item_features<T>);
  operations.add("createItemVectors", create_item_vectors<T>);
  operations.add("similarItems", find_similar_items<T>);
  operations.add("rank", rank<T>);
  operations.add("sampleAdapted", sample_adapted<T>);
  operations.add("updateAdapted", update_adapted<T>);
  operations.add("release", release<T>);
}

INNERLOOP_OPERATIONS(add_serving_operations)

}  // namespace innerloop
