// Asks nodes for known answers (runtime/experts/known_answers.hpp): some when a node comes, one now
// and then afterwards, and those that decide a dispute. They are ordinary calls with fixed rows.
//
// Where the model has a table of known answers, a node that answers something else is wrong. Where
// it has none, or the node does not say which weights it holds, the first answer that was seen of
// an expert is kept: a node that answers differently from itself is wrong, and two nodes that
// differ are reported, because nothing tells who is right.
//
// Owner     The cluster. Nodes whose experts are not all in memory are not sampled: a sample would
//           read from their disk.
// Blocking  Never.
// Failure   A sample that fails, or takes too long, says nothing.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/laptop/call_builder.hpp"
#include "runtime/experts/maker_ledger.hpp"
#include "runtime/vindex/checksums.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace larql::actors {

/// The known answers of a model, by layer.
using answer_tables = std::map<std::uint32_t, vindex::layer_answers>;

struct answer_checker_options {
  std::uint32_t hidden = 0;
  std::shared_ptr<const answer_tables> known; ///< null: the first answers that are seen
  std::shared_ptr<experts::maker_ledger> makers;
  /// Told when a node has been condemned in the ledger.
  std::function<void(const cluster_member&, const std::string& why)> condemn;
  unsigned first_samples = 32; ///< of a node that is new
  std::chrono::milliseconds interval{60000};
  std::chrono::milliseconds timeout{10000};             ///< of one call
  std::function<double()> uniform = [] { return 0.5; }; ///< random numbers in [0, 1)
};

class answer_checker_state {
public:
  using handle = answer_checker_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "answer-checker";

  answer_checker_state(pointer self, answer_checker_options options);

  handle::behavior_type make_behavior();

private:
  using time = caf::actor_clock::time_point;

  /// A node that is sampled.
  struct subject {
    unsigned left = 0; ///< samples to take
    bool busy = false;
  };
  /// A dispute that is being decided.
  struct hearing {
    caf::typed_response_promise<verdict_ptr> promise;
    verdict_on_dispute found;
    std::size_t open = 0; ///< answers still to come
  };
  struct first_answer {
    vindex::answer_digest digest{};
    std::string node;
    std::uint64_t incarnation = 0;
  };
  using place = std::pair<std::uint32_t, std::uint32_t>; // layer, expert
  enum class finding : std::uint8_t {
    right,
    wrong,
    unknown, ///< nothing is known to compare it with
    none     ///< no answer
  };
  using answered = std::function<void(finding)>;

  void on_view(const cluster_view_ptr& view);
  void on_tick();
  caf::result<verdict_ptr> on_dispute(const dispute_ptr& d);
  void begin(const cluster_member& m);
  void sample(const cluster_member& m);
  void ask(const cluster_member& m, place where, const answered& then);
  [[nodiscard]] layer_job& question(std::uint32_t layer, quant::activation_format format);
  /// `why` is set if it is wrong.
  [[nodiscard]] finding judge(const cluster_member& m, place where, const received_result& answer,
                              std::string& why);
  [[nodiscard]] finding compare_with_first(const cluster_member& m, place where,
                                           const vindex::answer_digest& found, std::string& why);
  void condemn(const cluster_member& m, const std::string& why);
  [[nodiscard]] const cluster_member* find(std::uint64_t incarnation) const;

  pointer self_;
  answer_checker_options options_;
  cluster_view_ptr view_ = std::make_shared<cluster_view>();
  std::map<std::uint64_t, subject> subjects_; // by incarnation
  std::map<place, first_answer> first_;
  std::set<std::uint64_t> reported_; // incarnations that differ from another node
  layer_job question_;
  call_builder builder_;
  std::vector<float> inputs_;
  std::uint64_t next_id_ = std::uint64_t{1} << 62; // apart from the router's calls
};

} // namespace larql::actors
