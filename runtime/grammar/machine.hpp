// Runs a network: where a text that came so far may stand in it, and what may come next.
//
// A text may stand at several nodes at once, each with a stack of calls that are not complete. A
// state (`place`) is the list of these, as a value of its own. For speed, the machine remembers
// every state it has seen, under a number, and for every symbol which state follows: a step that
// was made once costs one look-up, and symbols that the same edges take are one step. What it
// remembers is forgotten when it becomes too much.
//
// Order     States, and what is left out where a bound is met, depend on the text alone, not on
//           what the machine has seen before.
// Bounds    max_depth calls within calls, max_nodes nodes at once. Beyond them possibilities are
//           left out, but never all: every one that is kept can come to its end.
// Threads   One at a time.

#pragma once

#include "runtime/grammar/network.hpp"
#include "runtime/grammar/place.hpp"
#include "runtime/grammar/position_set.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace larql::grammar {

class machine {
public:
  static constexpr std::uint32_t max_depth = 256;
  static constexpr std::size_t max_nodes = 256;
  static constexpr std::size_t max_states = 1024;

  /// Number of a state, valid until reset(). 0: no text can follow.
  using state = std::uint32_t;
  static constexpr state dead = 0;

  explicit machine(std::shared_ptr<const network> net);

  [[nodiscard]] const network& net() const noexcept { return *net_; }
  [[nodiscard]] place start() const;

  [[nodiscard]] state enter(const place& from);
  [[nodiscard]] place leave(state s) const;

  [[nodiscard]] state next(state from, symbol s) {
    const auto known = rows_[std::size_t{from} * symbol_count + s];
    return known != unknown ? known : compute_next(from, s);
  }
  /// The same, but dead if the step was never made.
  [[nodiscard]] state known_next(state from, symbol s) const noexcept {
    const auto known = rows_[std::size_t{from} * symbol_count + s];
    return known != unknown ? known : dead;
  }
  /// The text so far is complete.
  [[nodiscard]] bool accepts(state s) const noexcept { return states_[s].accepts; }
  /// What text may follow and lead to this state again; `reach`: as far as that many characters.
  [[nodiscard]] text_kind text(state s, std::uint32_t reach) const noexcept;

  /// It remembers so much that it should be reset before it goes on.
  [[nodiscard]] bool full() const noexcept {
    return states_.size() >= max_states || frames_.size() >= max_frames;
  }
  void reset();
  /// What steps that were not known have cost since the begin, in edges that were looked at.
  [[nodiscard]] std::uint64_t work() const noexcept { return work_; }

private:
  static constexpr std::size_t max_frames = 65'536;
  static constexpr std::size_t max_visits = 4 * max_nodes; // of free moves into one state
  // What a step and a position reached freely cost, in edges that are looked at.
  static constexpr std::uint64_t step_work = 200;
  static constexpr std::uint64_t visit_work = 8;
  static constexpr state unknown = ~0u;

  struct known_frame {
    place::frame frame;
    std::uint32_t depth;
  };
  struct known_state {
    std::vector<place::position> positions; // as they were reached
    std::vector<place::position> open;      // those with edges that are reached freely from there
    bool accepts = false;
  };
  struct frame_hash {
    std::size_t operator()(const place::frame& f) const noexcept;
  };

  [[nodiscard]] state compute_next(state from, symbol s);
  [[nodiscard]] state remember(std::vector<place::position> positions);
  void open_up(known_state& s);
  void visit(place::position p);
  void visit_repeat(node_id node, std::uint32_t count, std::uint32_t stack);
  [[nodiscard]] std::uint32_t push(const place::frame& f);
  [[nodiscard]] std::uint32_t depth(std::uint32_t stack) const noexcept {
    return stack == place::no_stack ? 0 : frames_[stack].depth;
  }

  std::shared_ptr<const network> net_;
  std::vector<known_frame> frames_;
  std::unordered_map<place::frame, std::uint32_t, frame_hash> frame_ids_;
  std::vector<known_state> states_;
  std::unordered_multimap<std::size_t, state> state_ids_; // by a hash of the positions
  std::vector<state> rows_;                               // symbol_count for each state
  std::vector<place::position> waiting_;                  // of open_up
  position_set seen_{std::size_t{8} * max_nodes};
  std::uint64_t work_ = 0;
};

} // namespace larql::grammar
