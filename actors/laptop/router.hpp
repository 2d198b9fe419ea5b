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
//     A relay near the owners may be asked for what it owns and reaches in one call
//     (router_relays.cpp), where that was the faster way; if it fails, the owners are asked.
//
//     One call in `spot_check` goes to two owners, and its answer waits until both are compared
//     (router_checks.cpp); a late answer of a repeated call is compared, too.
//
//     parked or late for longer than the failover deadline ─► the job fails, naming the experts
//
// All deadlines are in running time (running_clock.hpp): a node is not blamed for the time in which
// this process was stopped, and after a stop nothing is judged before what has come is read.
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
#include "actors/laptop/late_nodes.hpp"
#include "actors/laptop/layer_job.hpp"
#include "actors/policy/call_timing.hpp"
#include "actors/policy/replica_choice.hpp"
#include "actors/policy/running_clock.hpp"
#include "actors/policy/way_choice.hpp"
#include "runtime/base/backoff.hpp"
#include "runtime/experts/maker_ledger.hpp"
#include "runtime/quant/sum_format.hpp"

#include <optional>
#include <unordered_map>
#include <vector>

namespace larql::actors {

/// The sums [rows][hidden] of a job's rows as this machine computes them; none if it cannot. Called
/// in the router's thread, and only in a dispute.
using own_sums_fn = std::function<std::optional<std::vector<std::int64_t>>(
    const layer_job&, std::span<const experts::assignment>, std::span<const std::uint32_t> rows)>;

struct router_options {
  topology::deadlines limits;
  topology::hedging hedge;
  backoff retry{std::chrono::milliseconds{5}, std::chrono::milliseconds{500}};
  std::function<double()> uniform = [] { return 0.5; }; ///< random numbers in [0, 1), for jitter
  unsigned spot_check = 0; ///< one call in so many goes to two owners; 0: none
  topology::relay_use relays = topology::relay_use::measured;
  bool complete_rows = true;                         ///< relays may answer with f32 for whole rows
  quant::sum_format sums = quant::sum_format::exact; ///< else answers are rounded: approximate
  std::shared_ptr<experts::maker_ledger> makers = std::make_shared<experts::maker_ledger>();
  std::shared_ptr<late_nodes> late = std::make_shared<late_nodes>(); ///< is kept here
  /// Told when a node has been condemned in the ledger: its answers are not used any more.
  std::function<void(const cluster_member&, const std::string& why)> condemn =
      [](const cluster_member&, const std::string&) {};
  own_sums_fn own_sums = {};    ///< empty: this machine does not hold the experts
  answer_checker_actor checker; ///< decides by known answers; may be null
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
  using time = running_clock::time; // running time

  // What is known of a node. It is kept while the node is missing from the view.
  struct node_record {
    call_timing timing;
    float busy_us = 0;                 // expected time of the calls in flight
    std::uint64_t bytes_in_flight = 0; // of these calls and their answers
    std::optional<time> suspect_since; // a call missed its deadline and no answer came since
    std::optional<time> asked;         // the last call
    call_timing relay_timing;          // of calls that it asks others for
    std::uint32_t relayed = 0;         // of these, in flight
    std::optional<time> relay_failed;  // the last that it did not answer well, or not in time
  };

  struct attempt;
  struct node_call;
  struct pending_job;
  struct call_place;
  struct opinion;
  struct spot_check;
  using check_ptr = std::shared_ptr<spot_check>;
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
                 std::span<const experts::assignment> assignments,
                 std::span<const std::uint64_t> avoid);
  void send_calls(const job_ptr& job, std::size_t member,
                  std::span<const experts::assignment> assignments,
                  std::optional<std::size_t> witness, bool relayed = false);
  void send(const job_ptr& job, node_call& p, std::size_t member, bool relayed = false);
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

  [[nodiscard]] std::optional<std::size_t> other_owner(const pending_job& job, const node_call& p);
  [[nodiscard]] failure missing_experts(const pending_job& job, time now) const;
  [[nodiscard]] result<void> merge(pending_job& job, const node_call& p, const attempt& a,
                                   const schema::expert_result& r) const;
  [[nodiscard]] result<std::vector<std::int64_t>> sums_of(const cluster_member& m,
                                                          const schema::expert_result& r,
                                                          std::size_t rows,
                                                          std::uint32_t hidden) const;

  // router_relays.cpp
  void dispatch_first(const job_ptr& job);
  [[nodiscard]] std::optional<std::size_t> choose_relay(pending_job& job);
  [[nodiscard]] bool may_relay(const cluster_member& m);
  [[nodiscard]] bool reaches(const cluster_member& m, std::uint32_t layer,
                             std::uint32_t expert) const;
  [[nodiscard]] std::uint64_t direct_bytes(const pending_job& job,
                                           std::span<const experts::assignment> assignments);
  [[nodiscard]] bool completes_rows(const pending_job& job) const;
  void mark_whole_rows(const pending_job& job, node_call& p);
  void relay_failed(const cluster_member& m);
  [[nodiscard]] std::optional<failure> bad_maker(const attempt& a,
                                                 const schema::expert_result& r) const;
  void learn_way(const pending_job& job);

  // router_checks.cpp
  [[nodiscard]] std::optional<std::size_t>
  choose_witness(const pending_job& job, std::size_t member,
                 std::span<const experts::assignment> assignments,
                 std::span<const std::uint64_t> avoid);
  void begin_check(const job_ptr& job, node_call& p, std::size_t witness);
  void ask(spot_check& c, std::size_t member);
  void compare_late(const job_ptr& job, const node_call& p, const attempt& first,
                    std::vector<std::int64_t> sums);
  [[nodiscard]] bool hold_answer(node_call& p, const attempt& a, std::vector<std::int64_t> sums);
  [[nodiscard]] std::pair<check_ptr, opinion*> opinion_of(caf::message_id reply) const;
  void on_opinion(const received_result& answer);
  void on_no_opinion();
  void without_opinion(const check_ptr& c, opinion& o);
  void weigh(const check_ptr& c);
  void ask_third(const check_ptr& c);
  void decide_here(const check_ptr& c);
  void name_wrong(const check_ptr& c, std::size_t who, std::string_view judge);
  void condemn(const check_ptr& c, std::size_t who, std::string_view judge);
  void undecided(const check_ptr& c);
  [[nodiscard]] node_call* waiting_call(const spot_check& c) const;
  [[nodiscard]] failure not_used(const cluster_member& m) const;
  void ask_anew(const check_ptr& c, const cluster_member& liar);
  void settle(const check_ptr& c, std::size_t right);
  void drop_check(const check_ptr& c);
  void expire_checks(time now);
  node_record& record_of(const cluster_member& m);
  void set_suspect(const cluster_member& m, bool is_late);
  [[nodiscard]] bool is_suspect(const cluster_member& m);
  [[nodiscard]] time now();
  void wake_at(time when);

  pointer self_;
  router_options options_;
  cluster_view_ptr view_ = std::make_shared<cluster_view>();
  std::unordered_map<std::uint64_t, node_record> nodes_; // by incarnation
  std::vector<job_ptr> jobs_;
  std::vector<check_ptr> checks_;
  std::optional<failure> undecided_; // of answers that were used before they were compared
  std::uint64_t next_id_ = 1;
  running_clock clock_;
  std::optional<time> wake_;       // when the next tick is due
  std::optional<time> judge_from_; // after a stop: what has come meanwhile is read first
  caf::behavior replies_;          // handles the answers of all calls

  // Memory that is used again for every layer.
  buffer_pool frames_;
  message_pool<caf::atom_value, outgoing_call> messages_;
  call_builder builder_;
  node_choice choice_;
  way_choice ways_;
  std::vector<expert_demand> demands_;
  std::vector<node_offer> offers_;
  std::vector<experts::assignment> taken_;
  std::vector<experts::assignment> shared_, alone_; // of a call that is checked
  std::vector<experts::assignment> covered_, rest_; // of a job that a relay is asked for
  std::vector<std::uint32_t> covered_rows_, counts_;
  std::vector<std::uint8_t> seen_;
  std::vector<way_offer> way_offers_;
  std::vector<std::size_t> relays_;
  std::vector<node_call> spare_calls_;
  std::vector<job_ptr> spare_jobs_;
};

} // namespace larql::actors
