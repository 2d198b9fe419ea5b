// What the pass thread does: mixes the rows of all requests in passes, chooses tokens, and keeps
// what has ended for later prompts.
//
// An answer is a list of tokens that its sequence is to hold. Whatever the sequence lacks is read
// by the next passes, whether it is a prompt, the token chosen last, what a preempted answer had
// read before, or what a condemned node had a part in. When nothing is lacking, the next token is
// chosen.
//
// Each lane has one pass under way. Where experts are on nodes there are several lanes, whose
// passes take turns: one computes while the rows of the others are away. A prompt that is alone has
// chunks in several. How many lanes are in use, and of how many tokens chunks are, follows from
// what passes have cost (generate/flight_plan.hpp).
//
// Failure   A pass that fails is taken apart: its answers run alone, one pass each, and those that
//           fail again end with the error. Memory for keys and values comes from cached sequences,
//           then from sessions that rest, then from the answer that began last, which is read again
//           when there is room. An answer that is alone and still does not fit ends with the error.
// Threads   One: the pass thread. status() may be called by any thread.

#pragma once

#include "actors/policy/pass_times.hpp"
#include "actors/session/client_table.hpp"
#include "actors/session/live_request.hpp"
#include "actors/session/prompt_store.hpp"
#include "actors/session/session_service.hpp"
#include "runtime/generate/executor.hpp"

#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>

namespace larql::actors {

class scheduler {
public:
  struct parts {
    const gemma4::model& model;
    kernels::compute compute;
    experts::expert_port& experts;
    prompt_store* disk = nullptr; ///< null: none
  };
  /// Fails with `usage` if the options make no sense.
  [[nodiscard]] static result<std::unique_ptr<scheduler>> create(const parts& p,
                                                                 const session_options& options);
  ~scheduler();

  // ---- what is asked
  // ------------------------------------------------------------------------------

  /// Takes over a request that was admitted.
  void add(live_request_ptr request);
  void open(session_id session, std::string client);
  /// Forgets a session; a request in it goes on.
  void close(session_id session);
  /// Drops what is cached of clients whose names begin so, and keeps nothing of what they ask now.
  void forget(const std::string& clients);
  /// Something outside has changed: a stop, the end of a pause.
  void look_again() noexcept { changed_ = true; }

  /// Called when all answers of a request have ended.
  std::function<void(session_request_id)> on_ended = [](session_request_id) {};
  /// Called by any thread when step() has something to do again although it had nothing.
  std::function<void(std::function<void(scheduler&)>)> on_later = [](auto) {};

  // ---- what is done
  // -------------------------------------------------------------------------------

  /// Takes some pass one step further, or begins what can begin. False: there is nothing to do
  /// until something is asked or changes.
  bool step();

  /// Nothing was asked that has not ended.
  [[nodiscard]] bool is_idle() const noexcept {
    return waiting_.empty() && running_.empty() && loading_ == 0;
  }

  /// Writes what is cached to the disk, as far as it is not there. Blocking.
  void save_all();

  /// The first `count` tokens of a session, or as many fewer as one can go on from, for a file;
  /// nothing if there are none, or if they are approximate.
  [[nodiscard]] std::optional<generate::sequence::prefix> share_session(session_id id,
                                                                        std::uint32_t count) const;
  /// A session goes on from what a sequence holds.
  void fill_session(session_id id, std::unique_ptr<generate::sequence> s);
  /// An empty sequence, which another thread may fill.
  [[nodiscard]] result<std::unique_ptr<generate::sequence>> new_sequence() const;

  /// As of the last pass.
  [[nodiscard]] session_status status() const;

  [[nodiscard]] std::uint64_t kv_limit() const noexcept { return options_.limits.kv_bytes; }

private:
  using answer_ptr = std::unique_ptr<live_answer>;

  struct session {
    std::string client;
    std::vector<std::uint32_t> tokens;
    std::unique_ptr<generate::sequence> sequence; ///< null: in use, or it made room
  };
  struct member {
    live_answer* answer = nullptr;
    std::uint32_t rows = 0; ///< of tokens that the sequence lacks; drafts come on top
    bool has_drafts = false;
  };
  struct lane {
    explicit lane(const vindex::model_config& config) : pass(config) {}

    generate::running_pass pass;
    std::vector<member> members;
    session_clock::time_point begun;
    double drafting = 0; ///< seconds that its drafts took
  };
  /// A pass that only decoded, until its tokens are chosen.
  struct decoded_pass {
    speculation::controller::outcome what;
    std::vector<const live_answer*> answers;
  };
  /// A pass without drafts, until the tokens that it leads to are chosen: that is of its price.
  struct timed_pass {
    std::uint32_t decoding = 0;
    std::uint32_t reading = 0;
    std::chrono::nanoseconds took{0};
  };
  /// An answer whose next token can be chosen.
  struct due {
    live_answer* answer = nullptr;
    std::size_t row = 0; ///< the first one of the logits
    std::size_t rows = 1;
    std::size_t tokens = 0; ///< that it gave, the one that ends an answer included
    generate::generation::step_result given{};
  };

  scheduler(const parts& p, const session_options& options,
            std::unique_ptr<generate::executor> run);

  // Requests: scheduler_requests.cpp
  void begin_waiting();
  [[nodiscard]] std::deque<live_request_ptr>::iterator next_waiting();
  [[nodiscard]] bool may_begin(const live_request& r) const;
  void begin(const live_request_ptr& r);
  [[nodiscard]] answer_ptr new_answer(const live_request_ptr& r, std::uint32_t choice);
  [[nodiscard]] result<void> set_prompt(live_request& r) const;
  [[nodiscard]] result<void> find_start(live_answer& a);
  [[nodiscard]] std::unique_ptr<generate::sequence> take_session(live_answer& a);
  void mark_boundaries(live_answer& a);
  [[nodiscard]] bool load_from_disk(const live_request_ptr& r);
  void end_unbegun(live_request& r, const std::optional<failure>& failed);
  void end(live_answer& a, std::optional<failure> failed = std::nullopt);
  void tell_end(live_request& r, answer_end e);
  void wipe_request(live_request& r) const;
  void keep(live_answer& a);
  void tell_progress(const live_answer& a) const;

  // Passes: scheduler_passes.cpp
  void end_stopped();
  void renew(live_answer& a);
  void fill_lane(lane& l);
  [[nodiscard]] std::vector<live_answer*> candidates(const lane& l);
  [[nodiscard]] std::vector<live_answer*> part_of(std::vector<live_answer*> free,
                                                  const lane& l) const;
  [[nodiscard]] generate::flight chunks_of(const live_answer& a) const;
  [[nodiscard]] std::vector<member> share(std::span<live_answer* const> among) const;
  [[nodiscard]] result<void> start(lane& l, std::span<const member> members);
  void settle(lane& l, const result<void>& outcome);
  void take_apart(const lane& l, const failure& why);
  void count_pass(const lane& l, session_clock::time_point now);
  void learn_times(std::size_t rows, std::chrono::nanoseconds choosing);
  [[nodiscard]] lane* next_lane();

  // Tokens: scheduler_tokens.cpp
  [[nodiscard]] bool is_due(live_answer& a);
  void end_reading(live_answer& a);
  void choose_tokens();
  [[nodiscard]] bool take_steps(std::span<due> dues);
  void give(due& d);
  void count_step(live_answer& a, std::size_t tokens);

  // Drafts: scheduler_drafts.cpp
  [[nodiscard]] double plan_drafts(std::span<member> members, std::span<live_answer* const> among);
  [[nodiscard]] generate::executor::part rows_of(const member& m);
  void note_decoded(const lane& l, session_clock::time_point now);
  void list_rows(due& d, std::vector<generate::executor::row>& rows) const;
  void accept_drafts(due& d);
  [[nodiscard]] bool give_up_drafts(live_answer& a);
  void learn_passes(std::span<const due> dues, std::size_t rows, std::chrono::nanoseconds choosing);

  // Memory: scheduler_memory.cpp
  [[nodiscard]] std::uint64_t kv_needed(std::uint64_t tokens, std::uint64_t have) const;
  [[nodiscard]] std::uint64_t kv_committed() const;
  [[nodiscard]] bool make_room(std::span<const member> keep);
  [[nodiscard]] bool revive(live_answer& a);

  void publish();
  // Whether later requests may go on from what was computed, and whether it may outlive the
  // process.
  [[nodiscard]] bool caches() const noexcept { return options_.predispatch == 0; }
  [[nodiscard]] bool stores() const noexcept {
    return caches() && options_.sums == quant::sum_format::exact;
  }

  const gemma4::model& model_;
  kernels::compute compute_;
  const experts::maker_ledger* makers_;
  prompt_store* disk_;
  session_options options_;
  std::shared_ptr<gemma4::kv_pool> pool_;
  std::unique_ptr<generate::executor> run_;
  generate::prefix_cache cache_;

  std::deque<live_request_ptr> waiting_;
  std::list<answer_ptr> running_; ///< in the order in which they began
  std::map<session_id, session> sessions_;
  client_table clients_;
  std::deque<lane> lanes_;
  pass_times times_;
  speculation::speculator speculator_;
  std::vector<timed_pass> timed_;
  std::vector<decoded_pass> decoded_;
  std::deque<generate::draft_tree> planned_; ///< trees of a pass that begins, behind their tokens
  std::vector<generate::sampling_scratch> scratch_; ///< for each thread of the pool
  std::uint64_t next_order_ = 0;
  std::size_t loading_ = 0; ///< requests whose prompt comes from the disk
  bool changed_ = false;    ///< something can begin or end, or a token can be chosen
  bool refill_ = false;     ///< a lane without a pass may find something to do

  session_status counts_;
  mutable std::mutex published_mutex_;
  session_status published_;
};

} // namespace larql::actors
