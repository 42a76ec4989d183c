// Operations that rank the items of a catalogue. What all requests share is read once, since a request finds the
// caches of its thread full of what the ranking before has read: each property of an object is a wait for memory.
#include "../serving/ranking.h"

#include <algorithm>

#include "../device/mirror.h"
#include "../layers/layer.h"
#include "batch.h"
#include "call.h"
#include "items.h"
#include "operations.h"
#include "packed.h"
#include "texts.h"

namespace innerloop {
namespace {

// Reads what lib/foundation/native-contract.ts calls NativeRanking: a handle.
template <class T>
Napi::Value create_ranker(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object(info[0], "options");
    auto ranker = std::make_shared<Ranker<T>>();
    ranker->store = unwrap<Store<T>>(options.Get("store"));
    ranker->threads = static_cast<int>(integer(options, "threads", 1, 1024));
    const std::shared_ptr<const Model<T>> model = ranker->store->model;
    Ranking<T>& ranking = ranker->ranking;
    ranking.model = model;
    ranking.pool = unwrap<ItemPool>(options.Get("pool"));
    ranking.scoring.mean = number(options, "mean");
    ranking.scoring.moderated = options.Get("moderated").ToBoolean();
    ranking.item_sides = read_item_sides(options);
    ranking.inner.fast.assign(model->tensors.size(), 0);
    ranker->adapts = read_selection<T>(model, options);
    if (options.Get("features").IsUndefined()) {
      ranker->frame = unwrap<Frame<T>>(options.Get("frame"));
    } else {
      ranking.features = unwrap<ItemFeatures<T>>(options.Get("features"));
      require(ranking.features->model == model && ranking.features->items == ranking.pool->items,
              "the features belong to another catalogue");
      require(!ranking.scoring.moderated && model->spec.outputs() == 1, "features give one output alone");
      require(!ranker->adapts.graph, "a graph reads no features");
      for (std::size_t t = 0; t < model->tensors.size(); ++t)
        require(!ranker->adapts.fast[t] || static_cast<int>(t) == model->last_layer->weight ||
                    static_cast<int>(t) == model->last_layer->bias,
                "more than the last layer is adapted");
    }
    return wrap(info.Env(), std::move(ranker));
  });
}

// Of a list [index, joined, lengths, count, skip].
NamedItems read_named(const Napi::Array& from, Index items) {
  require(from.Length() == 5, "items are named by an index, texts, lengths, their count and what becomes of others");
  NamedItems named;
  named.index = unwrap<TextIndex>(from.Get(0u));
  require(named.index->is_complete() && named.index->size() == items, "the index is of another catalogue");
  if (!from.Get(3u).IsNumber()) throw Error("INVALID_OPTION", "count must be a number");
  const Index count = integer(from.Get(3u).As<Napi::Number>().DoubleValue(), 0, kMaxCount, "count");
  named.ids = read_texts(from.Get(1u), from.Get(2u), "joined", count);
  named.skip = from.Get(4u).ToBoolean();
  return named;
}

constexpr std::uint32_t kUserValues = 4;

// Reads users, four values each: the adapted parameters, the bias, the rows that are left out, and a row for some item
// where no features are at hand.
template <class T>
void read_users(const Ranker<T>& ranker, const Napi::Array& from, Ranking<T>& ranking) {
  const std::shared_ptr<const Model<T>>& model = ranking.model;
  const Index items = ranking.pool->items;
  require(from.Length() % kUserValues == 0, "a user is four values");
  for (std::uint32_t at = 0; at < from.Length(); at += kUserValues) {
    RankedUser<T> user;
    const auto bytes = copy<std::uint8_t>(from.Get(at), "adapted");
    user.adapted = std::make_shared<Adapted<T>>(
        unpack_adapted<T>(model, ranker.adapts, {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}));
    if (!from.Get(at + 1).IsNumber()) throw Error("INVALID_OPTION", "bias must be a number");
    user.bias = from.Get(at + 1).As<Napi::Number>().DoubleValue();
    user.exclude = rows_of(from.Get(at + 2), items, "exclude");
    require(!ranking.scoring.moderated || user.adapted->has_posterior(),
            "only a last layer in closed form has a variance");
    if (!ranking.features) {
      user.one = build_batch<T>(model, ranker.frame, object(from.Get(at + 3), "one"));
      require_one(*user.one, ranking.item_sides, items);
    }
    ranking.users.push_back(std::move(user));
  }
}

// The lists of users, or the place of the id for which there are none.
struct Lists {
  std::vector<std::vector<Ranked>> of;
  Index unknown = -1;
};

// Numbers: of each user how many items, and then of each its row, score and key. Of an unknown id { place, text }.
Napi::Value lists_to_value(Napi::Env env, const Lists& lists, const Texts& ids) {
  if (lists.unknown >= 0) {
    std::size_t at = 0;
    for (Index i = 0; i < lists.unknown; ++i) at += static_cast<std::size_t>(ids.lengths[i]);
    Napi::Object unknown = Napi::Object::New(env);
    unknown.Set("place", static_cast<double>(lists.unknown));
    unknown.Set("text", Napi::String::New(env, ids.units.data() + at, ids.lengths[lists.unknown]));
    return unknown;
  }
  std::size_t size = lists.of.size();
  for (const auto& list : lists.of) size += 3 * list.size();
  auto numbers = Napi::Float64Array::New(env, size);
  double* to = numbers.Data();
  for (const auto& list : lists.of) {
    *to++ = static_cast<double>(list.size());
    for (const Ranked& item : list) {
      *to++ = item.row;
      *to++ = item.score;
      *to++ = item.key;
    }
  }
  return numbers;
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

// Multiply-adds of a ranking by features that take less time than to wake a thread and be woken by it, which is some
// fifty microseconds on a machine that has other work. In a whole catalogue features lie one behind the other.
constexpr double kInstantRanking = 1 << 18;

template <class T>
bool is_instant(const Ranking<T>& ranking, double work) {
  return ranking.features && !ranking.by_among && work <= kInstantRanking;
}

// (ranker, count, users, among?, token?): the lists, or a promise of them.
template <class T>
Napi::Value rank(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto ranker = unwrap<Ranker<T>>(info[0]);
    const auto ranking = std::make_shared<Ranking<T>>(ranker->ranking);
    const Index items = ranking->pool->items;
    if (!info[1].IsNumber()) throw Error("INVALID_OPTION", "count must be a number");
    ranking->count = std::min(items, integer(info[1].As<Napi::Number>().DoubleValue(), 1, kMaxCount, "count"));
    read_users(*ranker, array(info[2], "users"), *ranking);
    ranking->by_among = !info[3].IsUndefined();
    if (info[3].IsTypedArray())
      ranking->among = rows_of(info[3], items, "among");
    else if (ranking->by_among)
      ranking->named = read_named(array(info[3], "among"), items);
    std::shared_ptr<Token> token;
    if (!info[4].IsUndefined()) token = unwrap<Token>(info[4]);
    const auto lists = std::make_shared<Lists>();
    const auto rank_now = [store = ranker->store, ranking, lists](int n, const Poll& poll) {
      const Predict<T> predict = [&](const Batch<T>& batch, const InnerLoop<T>& inner, const Prediction<T>& wanted) {
        return run_predict<T>({*store, batch, inner, nullptr, n, poll}, wanted);
      };
      lists->unknown = resolve_among(*ranking);
      if (lists->unknown < 0) lists->of = rank_items<T>(*ranking, store->values->data(), predict, n, poll);
    };
    const Finish finish = [lists, ranking](Napi::Env env) { return lists_to_value(env, *lists, ranking->named.ids); };
    if (!ranking->model->device && is_tiny(*ranking)) {
      // The event loop does not wait for an update of the parameters: while one runs, the work goes to the pool.
      const std::shared_lock lock(ranker->store->mutex, std::try_to_lock);
      if (lock)
        return run_inline(
            info.Env(), [&](const Poll& poll) { rank_now(1, poll); }, finish);
    }
    const double work = work_of_ranking(*ranking);
    const bool instant = is_instant(*ranking, work);
    const int threads = instant ? 1 : ranker->threads;
    return run_job(
        info.Env(), threads, instant ? Length::instant : length_of(work), std::move(token),
        [store = ranker->store, rank_now, threads](const Poll& poll) {
          const std::shared_lock lock(store->mutex);
          rank_now(threads, poll);
        },
        finish);
  });
}

}  // namespace

template <class T>
void add_ranking_operations(const Operations& operations) {
  operations.add("createRanker", create_ranker<T>);
  operations.add("rank", rank<T>);
}

INNERLOOP_OPERATIONS(add_ranking_operations)

}  // namespace innerloop
