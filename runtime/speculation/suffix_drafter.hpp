// Guesses that a text goes on as it did where it has been before: in its own prompt and answer, or
// in earlier answers to the same client.
//
// The longest suffix that occurs elsewhere counts, from a minimum on. What followed it there makes
// a tree of drafts, the likeliest branches first.
//
// Numerics  A continuation that followed c times of n has the chance c / (n + doubt / length): what
//           was seen once behind two tokens says less than behind twenty.
// Memory    About 60 bytes a token of prompt and answer; at most `most_remembered` tokens of
//           answers for each of `most_clients` clients.
// Threads   One: the thread that runs passes.

#pragma once

#include "runtime/speculation/drafter.hpp"
#include "runtime/speculation/suffix_tree.hpp"

#include <map>
#include <string>
#include <vector>

namespace larql::speculation {

class suffix_source final : public drafter_source {
public:
  struct options {
    std::uint32_t least_match = 2; ///< tokens
    float least_chance = 0.02f;    ///< of a draft with all before it
    std::size_t most_remembered = std::size_t{1} << 16;
    std::size_t most_clients = 64;
  };

  suffix_source() : suffix_source(options{}) {}
  explicit suffix_source(const options& o) : options_(o) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "suffix"; }
  [[nodiscard]] std::unique_ptr<drafter> begin(std::string_view client) override;
  void learn(std::string_view client, std::span<const std::uint32_t> answer) override;

private:
  class own_drafter;

  /// A client's earlier answers.
  struct memory {
    suffix_tree tree;
    std::vector<std::uint32_t> tokens; // with separators behind each answer
    std::uint64_t used = 0;            // when, for making room
  };

  options options_;
  std::map<std::string, std::shared_ptr<memory>, std::less<>> clients_;
  std::uint64_t clock_ = 0;
};

} // namespace larql::speculation
