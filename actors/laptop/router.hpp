// The router: splits a layer's rows by the owners of the chosen experts, asks all owners at once,
// adds their fixed-point sums, and does not give up while a node may still answer.
//
//     a job's experts                 a node call (several nodes once it was repeated)
//     ───────────────                 ─────────────────────────────────────────────────
//     chosen owner ──────────────────► sent ──answer──► added to the sums ──► all: job finished
//        ▲    no owner now               │
//        │        │                      ├─ failed, connection lost ─► another owner, else parked
//        │        ▼                      ├─ deadline missed ─► another owner as well; first answer
//        └───── parked ◄─────────────────┤                     counts, a late one is still welcome
//     new view, or back-off over         └─ slow ─► hedged: another owner as well
//
//     parked or late for longer than the failover deadline ─► the job fails, naming the experts
//
// Calls are pure functions of weights and rows, so a repeated call changes nothing but the time.
//
// Owner     The laptop guard, which replaces a router that fails (laptop_guard.hpp); its jobs are
//           then lost and start again. One router serves all ports of the process.
// Blocking  Never.
// Failure   Of a node: as above. The router itself goes on.

#pragma once

#include "actors/core/errc.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/laptop/call_builder.hpp"
#include "actors/laptop/layer_job.hpp"
#include "actors/policy/call_timing.hpp"
#include "actors/policy/replica_choice.hpp"
#include "runtime/base/backoff.hpp"

#include <optional>
#include <unordered_map>
#include <vector>

namespace larql::actors {

struct router_options {
  topology::deadlines limits;
  topology::hedging hedge;
  backoff retry{std::chrono::milliseconds{5}, std::chrono::milliseconds{500}};
  std::function<double()> uniform = [] { return 0.5; }; ///< random numbers in [0, 1), for jitter
};

class router_state {
public:
  using handle = router_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "router";

  router_state(pointer self, router_options options);
  ~router_state();

  handle::behavior_type make_behavior();

private:
  using clock = caf::actor_clock;
  using time = clock::time_point;

  // What is known of a node. It is kept while the node is missing from the view.
  struct node_record {
    call_timing timing;
    float busy_us = 0;                 // expected time of the calls in flight
    std::optional<time> suspect_since; // a call missed its deadline and no answer came since
    std::optional<time> asked;         // the last call
  };

  struct attempt;
  struct node_call;
  struct pending_job;
  struct call_place;
  using job_ptr = std::shared_ptr<pending_job>;

  void on_route(const layer_job_ptr& job);
  void on_cancel(const layer_job_ptr& job);
  void on_view(const cluster_view_ptr& view);
  void on_tick();

  void dispatch(const job_ptr& job, std::span<const experts::assignment> assignments,
                std::span<const std::uint64_t> avoid);
  [[nodiscard]] std::span<const int> choose(const pending_job& job,
                                            std::span<const experts::assignment> assignments,
                                            std::span<const std::uint64_t> avoid);
  void add_calls(const job_ptr& job, std::size_t member,
                 std::span<const experts::assignment> assignments);
  void send(const job_ptr& job, node_call& p, std::size_t member);
  void on_answer(const received_result& answer);
  void on_error(const caf::error& err);
  [[nodiscard]] std::optional<call_place> place_of(caf::message_id reply) const;
  void on_expired(const job_ptr& job, node_call& p, attempt& a);
  void ask_others(const job_ptr& job);
  void hedge(const job_ptr& job, node_call& p);
  void release(const attempt& a);
  void give_up_attempt(const job_ptr& job, node_call& p, std::uint64_t attempt_id, failure why);
  void park(const job_ptr& job, std::span<const experts::assignment> assignments);
  void check_failover(const job_ptr& job, time now);
  void finish(const job_ptr& job, result<void> how);
  void finish_if_done(const job_ptr& job);
  [[nodiscard]] job_ptr new_job();
  [[nodiscard]] node_call new_call();
  void drop_call(pending_job& job, std::uint64_t call_id);

  [[nodiscard]] std::optional<std::size_t> other_owner(const pending_job& job,
                                                       const node_call& p) const;
  [[nodiscard]] failure missing_experts(const pending_job& job, time now) const;
  [[nodiscard]] result<void> merge(const node_call& p, const cluster_member& m,
                                   const schema::expert_result& r, layer_job& job) const;
  node_record& record_of(const cluster_member& m);
  [[nodiscard]] bool is_suspect(const cluster_member& m) const;
  void wake_at(time when);

  pointer self_;
  router_options options_;
  cluster_view_ptr view_ = std::make_shared<cluster_view>();
  std::unordered_map<std::uint64_t, node_record> nodes_; // by incarnation
  std::vector<job_ptr> jobs_;
  std::uint64_t next_id_ = 1;
  std::optional<time> wake_;
  caf::behavior replies_; // handles the answers of all calls

  // Memory that is used again for every layer.
  buffer_pool frames_;
  message_pool<caf::atom_value, outgoing_call> messages_;
  call_builder builder_;
  node_choice choice_;
  std::vector<expert_demand> demands_;
  std::vector<node_offer> offers_;
  std::vector<experts::assignment> taken_;
  std::vector<node_call> spare_calls_;
  std::vector<job_ptr> spare_jobs_;
};

} // namespace larql::actors
