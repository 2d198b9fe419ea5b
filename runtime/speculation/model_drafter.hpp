// Guesses by a small model of the same vocabulary, on this machine.
//
// For each answer it reads the text that the large model reads, and then says what it holds most
// likely, token by token, as long as it is sure enough of all of them together.
//
// Blocking  propose() computes: a pass of the small model for each draft, and of at most
//           `read_at_once` tokens of a text that it has not read; until it has, there are no
//           drafts.
// Owner     A source owns its model and experts; answers' drafters own their keys and values.
// Errors    What fails gives no drafts.
// Threads   One: the thread that runs passes, whose pool it uses.

#pragma once

#include "runtime/experts/local_experts.hpp"
#include "runtime/generate/executor.hpp"
#include "runtime/speculation/drafter.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

namespace larql::speculation {

class model_source final : public drafter_source {
public:
  struct options {
    std::uint32_t vocab = 0;          ///< of the large model
    std::uint32_t max_context = 8192; ///< tokens
    gemma4::kv_format kv = gemma4::kv_format::f16;
    float least_chance = 0.1f; ///< of a draft with all before it
  };
  static constexpr std::size_t read_at_once = 256;

  /// Opens a vindex with all its experts. Fails with `usage` if it has another vocabulary.
  [[nodiscard]] static result<std::shared_ptr<model_source>>
  open(const std::filesystem::path& dir, kernels::compute compute, const options& o);

  [[nodiscard]] std::string_view name() const noexcept override { return "model"; }
  [[nodiscard]] bool takes_time() const noexcept override { return true; }
  [[nodiscard]] std::unique_ptr<drafter> begin(std::string_view client) override;

private:
  class own_drafter;

  model_source(kernels::compute compute, const options& o) : compute_(compute), options_(o) {}

  kernels::compute compute_;
  options options_;
  gemma4::model model_;
  std::optional<experts::expert_bank> bank_;
  std::unique_ptr<experts::local_experts> experts_;
  std::unique_ptr<generate::executor> run_;
  std::shared_ptr<gemma4::kv_pool> kv_ = gemma4::kv_pool::create();
  std::vector<float> terms_; // scratch
};

} // namespace larql::speculation
