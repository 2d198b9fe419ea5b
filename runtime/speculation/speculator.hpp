// Speculation of a session service: asks the drafters of each answer, gives a pass as many drafts
// as are worth their time, and learns from what becomes of them.
//
// Owner     The scheduler's; an answer's drafts are the answer's. Threads: the pass thread.

#pragma once

#include "runtime/generate/generation.hpp"
#include "runtime/generate/speculation_stats.hpp"
#include "runtime/speculation/acceptance.hpp"
#include "runtime/speculation/controller.hpp"
#include "runtime/speculation/drafter.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::speculation {

enum class mode : std::uint8_t {
  off,
  automatic, ///< as many drafts as make answers fastest, which may be none
  fixed      ///< the likeliest `drafts` of each answer in every pass
};

struct options {
  mode how = mode::off;
  std::size_t drafts = 0; ///< of `fixed`; 1 to draft_tree::max_rows - 1
  std::vector<std::shared_ptr<drafter_source>> sources;
  expert_shape shape; ///< of the model
  /// Where what was learnt of drafters is kept (remembered.hpp); empty: nowhere.
  std::filesystem::path memory;
  std::string place; ///< the kind of link that it is learnt on
};

/// What one answer has to do with speculation.
struct answer_drafts {
  std::vector<std::unique_ptr<drafter>> drafters; ///< one of each source
  generate::draft_tree tree;                      ///< for the next pass, or of the last one
  std::size_t source = 0;                         ///< who made it
};

class speculator {
public:
  /// Begins with what was remembered.
  explicit speculator(options o);
  /// Writes what was learnt, as far as it can.
  ~speculator();
  speculator(const speculator&) = delete;
  speculator& operator=(const speculator&) = delete;

  [[nodiscard]] bool is_on() const noexcept;

  [[nodiscard]] answer_drafts begin(std::string_view client);

  /// An answer that decodes in the next pass.
  struct wish {
    answer_drafts* to = nullptr;
    drafted_text text; ///< with the token that the pass reads
    const generate::generation* state = nullptr;
  };
  /// Puts drafts for a pass of `rows` other rows into the answers, or none. Returns the seconds
  /// that slow drafters took for it.
  double plan(std::span<const wish> wishes, std::uint32_t rows);

  /// The answer's tree was verified; `branch`: what a step accepted of it.
  void verified(const answer_drafts& of, std::span<const std::uint32_t> branch);
  /// A pass that only decoded has ended, and its tokens are chosen.
  void passed(const controller::outcome& pass) { control_.add(pass); }
  /// What of a plain pass is computing experts (pass_cost.hpp).
  void set_compute_share(double share) noexcept { control_.cost().set_compute_share(share); }

  /// An answer of this client has ended.
  void learn(std::string_view client, std::span<const std::uint32_t> answer);

private:
  struct offer {
    std::size_t wish = 0;
    std::size_t draft = 0;
    float worth = 0;
  };

  [[nodiscard]] double propose(const wish& w, bool ask_slow);
  [[nodiscard]] std::string name_of(std::size_t source) const;
  void take_best(std::span<const wish> wishes, std::uint32_t rows);

  options options_;
  std::vector<acceptance> seen_; // by source
  std::uint64_t verified_ = 0;   // trees
  controller control_;

  // Scratch of plan().
  generate::draft_tree proposed_;
  std::vector<float> worth_, best_worth_;
  std::vector<offer> offers_;
};

} // namespace larql::speculation
