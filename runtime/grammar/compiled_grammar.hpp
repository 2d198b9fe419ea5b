// A network together with the vocabulary: which tokens may follow at a place.
//
// Cost      A place that was never seen: the tree of tokens is walked, at most 10 ms for Gemma's
//           vocabulary. Inside free text only tokens that are not plain are walked, below 1 ms.
// Bounds    Where the network knows no end of possibilities the walk stops making new steps: tokens
//           are missing then, long ones first, but those that are found may follow. Which ones they
//           are depends on the place alone.
// Threads   Any number of threads; one computes at a time.

#pragma once

#include "runtime/grammar/machine.hpp"
#include "runtime/grammar/vocabulary_trie.hpp"

#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace larql::grammar {

class compiled_grammar {
public:
  /// Of new steps of the machine in one walk (machine::work): 4 to 8 ms on a processor of 2025.
  static constexpr std::uint64_t default_max_work = 2'500'000;

  compiled_grammar(network net, std::shared_ptr<const vocabulary_trie> tokens,
                   std::uint64_t max_work = default_max_work);

  [[nodiscard]] place start() const;
  /// Where the symbols lead; without positions if they cannot follow.
  [[nodiscard]] place after(const place& from, std::span<const symbol> symbols);
  /// The text up to here is complete.
  [[nodiscard]] bool accepts(const place& at);

  /// The same place as far as one token can tell (machine.hpp, near).
  [[nodiscard]] place near_place(const place& at) const;
  /// Bits of the tokens that may follow at a place of near_place().
  [[nodiscard]] std::vector<std::uint64_t> tokens_at(const place& at);

private:
  void walk(const vocabulary_trie::tree& tree, machine::state from,
            std::vector<std::uint64_t>& bits);
  void make_room(std::span<machine::state> path);

  std::shared_ptr<const vocabulary_trie> tokens_;
  std::uint64_t max_work_;
  std::mutex mutex_;
  std::shared_ptr<const network> net_;
  machine machine_; // guarded by mutex_
};

} // namespace larql::grammar
