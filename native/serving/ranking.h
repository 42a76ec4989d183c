// Finds the best items of a catalogue for users, without a list of all scores. Scores are those that `predict` gives,
// to the bit; equal ones come in the order of the catalogue.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "../meta/inner_loop.h"
#include "../task/adapted.h"
#include "best.h"
#include "item_features.h"
#include "text_index.h"

namespace innerloop {

// Which items may be recommended, and what is added to their outputs. Immutable.
struct ItemPool {
  Index items = 0;                 // rows of the catalogue; row 0 stands for no item
  bool whole = false;              // every row from 1 is a candidate
  std::vector<std::int32_t> rows;  // else these, ascending
  std::vector<double> offset;      // by row of the catalogue, of the score; empty: 0
  std::vector<double> boost;       // by row of the catalogue, of the rank alone; empty: 0
};

// How the first output of a row becomes its score (lib/model/scores.ts).
struct Scoring {
  double mean = 0;         // added
  bool moderated = false;  // o / √(1 + π v / 8), v the variance
};

template <class T>
struct RankedUser {
  std::shared_ptr<const Adapted<T>> adapted;
  std::shared_ptr<Batch<T>> one;      // a row of the user, for some item; null where item features are at hand
  double bias = 0;                    // added with the items' offsets
  std::vector<std::int32_t> exclude;  // rows, ascending
};

// Items by id, which are looked up where the ranking is at work.
struct NamedItems {
  std::shared_ptr<const TextIndex> index;
  Texts ids;
  bool skip = false;  // those that the index lacks
};

template <class T>
struct Ranking {
  std::shared_ptr<const Model<T>> model;
  InnerLoop<T> inner;  // adapts nothing
  std::shared_ptr<const ItemPool> pool;
  bool by_among = false;            // of the pool's rows only those of `among`
  std::vector<std::int32_t> among;  // ascending
  NamedItems named;                 // where it has an index, `among` is made of it
  std::vector<int> item_sides;
  std::shared_ptr<const ItemFeatures<T>> features;  // null: the model runs on every candidate
  Scoring scoring;
  Index count = 0;
  std::vector<RankedUser<T>> users;
};

// Makes `among` of the ids, and leaves out what is not in the pool. Must be called once before the items are ranked.
// Gives the place of the first id that is unknown and not to be skipped, −1 if there is none.
template <class T>
Index resolve_among(Ranking<T>& ranking);

// Gives how many items are scored for each user, at most.
template <class T>
Index most_candidates(const Ranking<T>& ranking);

// Gives a rough count of the multiply-adds of a ranking.
template <class T>
double work_of_ranking(const Ranking<T>& ranking);

// Runs a model without features: predict_tasks, or the same on a device.
template <class T>
using Predict = std::function<QueryOutputs<T>(const Batch<T>&, const InnerLoop<T>&, const Prediction<T>&)>;

// Gives the best items by user, best first. `parameters` are read where the ranking has features; `predict` is called
// where it has none.
template <class T>
std::vector<std::vector<Ranked>> rank_items(const Ranking<T>& ranking, const T* parameters, const Predict<T>& predict,
                                            int threads, const std::function<void()>& poll);

}  // namespace innerloop
