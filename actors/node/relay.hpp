// The relay of a node: answers for experts that others own, near it, so that a laptop sends a row
// once and gets one answer.
//
//     call ─► all owned, or direct ─► the shard behind it
//        └──► split (relay_plan.hpp) ─► owners: direct calls ─┐
//                       └─► the shard: what is owned ─────────┴─► added (relay_sums.hpp) ─► answer
//
//     an owner fails ─► another owner, once each, while the call's time lasts ─► else `unavailable`
//                       with the experts that are missing
//
// What it forwards is direct: the receiver answers from its own pages or says notOwner, so no call
// goes round.
//
// Owner     The node, in the place of its shard. The shard ends with it, and it with the shard.
// Blocking  Never; nothing is parked. A call ends within the time that its sender waits.
// Failure   Of an owner: as above. What an owner still computes for a call that has ended counts
//           until it is answered: never more than call_window calls are under way at one owner.
// Memory    Answers of owners, until all parts of a call are there: counted in the budget of the
//           process.

#pragma once

#include "actors/core/errc.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/core/memory_budget.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/node/node_counters.hpp"
#include "actors/node/relay_plan.hpp"
#include "actors/node/relay_sums.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

namespace larql::actors {

struct relay_options {
  description_ptr self;
  expert_shard_actor shard;
  const kernels::kernel_set& kernels;
  cluster_view_ptr view = std::make_shared<cluster_view>(); ///< at first
  std::chrono::milliseconds longest{10000}; ///< for a call that does not say how long it may take
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
};

class relay_state {
public:
  using handle = relay_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "relay";

  relay_state(pointer self, relay_options options);
  ~relay_state();

  handle::behavior_type make_behavior();

private:
  using time = caf::actor_clock::time_point;

  // What one node was asked for.
  struct open_part {
    caf::message_id reply;
    std::optional<std::uint64_t> owner; // incarnation; none: the own shard
    std::vector<experts::assignment> picks;
    std::vector<std::uint32_t> rows;
  };
  struct open_call {
    received_call call;
    caf::typed_response_promise<encoded_frame> promise;
    time begun{}, until{};
    std::vector<open_part> waiting;
    std::vector<answered_part> answered;
    std::vector<std::uint64_t> tried;  // owners
    std::vector<std::uint64_t> makers; // those that have answered
    std::chrono::nanoseconds forwarded{0};
    std::string last_failure;
    budget_share held;

    explicit open_call(std::shared_ptr<memory_budget> budget) : held(std::move(budget)) {}
  };
  using open_ptr = std::shared_ptr<open_call>;

  // A call that an owner has not answered, whether somebody waits for it or not.
  struct flight {
    caf::message_id reply;
    std::uint64_t owner = 0;
    time sent{};
  };

  caf::result<encoded_frame> on_run(const received_call& call);
  caf::result<void> on_drain();
  void on_view(const cluster_view_ptr& view);
  void on_tick();
  void on_own_answer(const encoded_frame& answer);
  void on_answer(const received_result& answer);
  void on_error(const caf::error& err);

  [[nodiscard]] bool is_other(std::uint32_t layer, std::uint32_t expert) const;
  [[nodiscard]] relay_split split(const open_call& c, std::span<const experts::assignment> picks);
  void ask_shard(open_call& c, std::vector<experts::assignment> picks);
  void ask_owners(open_call& c, relay_split parts);
  void ask_again(const open_ptr& c, open_part part);
  [[nodiscard]] std::pair<open_ptr, open_part> take_part(caf::message_id reply);
  [[nodiscard]] std::optional<flight> land(caf::message_id reply);
  void finish_if_complete(const open_ptr& c);
  void give_up(const open_ptr& c, std::span<const std::uint32_t> missing, failure_code code);
  void end(const open_ptr& c);
  [[nodiscard]] encoded_frame frame_of(const schema::message& m);
  [[nodiscard]] encoded_frame failed(std::uint64_t id, failure_code code, std::string text,
                                     experts::index_range missing = {0, 0});
  void wake_by(time t);

  pointer self_;
  relay_options options_;
  cluster_view_ptr view_;
  std::vector<open_ptr> open_;
  std::vector<flight> flights_;
  std::uint64_t next_id_ = 1; // of calls to owners
  std::optional<time> next_tick_;
  bool draining_ = false;
  std::vector<caf::response_promise> drains_;
  caf::behavior replies_; // of shard and owners
  part_builder builder_;
  part_adder adder_;
  std::vector<std::byte> widths_, sums_;
  buffer_pool frames_;
  message_pool<encoded_frame> answers_;
  message_pool<caf::atom_value, outgoing_call> calls_;
  message_pool<caf::atom_value, received_call> own_calls_;
};

} // namespace larql::actors
