// A vindex made to run: kernels, threads, weights, local experts, executor and sequences in one
// object, with the knobs that must not change a bit.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/experts/local_experts.hpp"
#include "runtime/generate/executor.hpp"
#include "runtime/models/gemma4/model.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace larql::test {

struct run_options {
  unsigned threads = 1;
  kernels::simd_level simd = kernels::best_simd_level();
  std::uint32_t chunk = 256;
  std::uint32_t chunks_in_flight = 1;
  std::uint32_t context = 128;
  gemma4::kv_format kv = gemma4::kv_format::f32;
};

class running_model {
public:
  /// Opens the vindex with all its experts on this machine.
  [[nodiscard]] static result<std::unique_ptr<running_model>> open(const std::filesystem::path& dir,
                                                                   const run_options& options = {});

  [[nodiscard]] kernels::compute compute() noexcept { return {*kernels_, pool_}; }
  [[nodiscard]] const gemma4::model& model() const noexcept { return model_; }
  [[nodiscard]] const experts::expert_bank& bank() const noexcept { return *bank_; }
  [[nodiscard]] experts::expert_port& port() noexcept { return *port_; }

  /// Over this machine's experts.
  [[nodiscard]] generate::executor& executor() noexcept { return *executor_; }
  /// One of its own, over `port`.
  [[nodiscard]] std::unique_ptr<generate::executor> new_executor(experts::expert_port& port);
  [[nodiscard]] std::unique_ptr<generate::sequence> new_sequence();

  [[nodiscard]] const std::shared_ptr<gemma4::kv_pool>& kv() const noexcept { return kv_; }

  /// Logits of every position, [ids][vocab].
  [[nodiscard]] result<std::vector<float>> logits(std::span<const std::uint32_t> ids);

private:
  explicit running_model(const run_options& options);

  run_options options_;
  const kernels::kernel_set* kernels_;
  compute_pool pool_;
  gemma4::model model_;
  std::optional<experts::expert_bank> bank_;
  std::unique_ptr<experts::local_experts> port_;
  std::unique_ptr<generate::executor> executor_;
  std::shared_ptr<gemma4::kv_pool> kv_ = gemma4::kv_pool::create();
};

/// Logits of every position of a fresh session. Failing ends the test program.
[[nodiscard]] std::vector<float> logits_of(const std::filesystem::path& dir,
                                           std::span<const std::uint32_t> ids,
                                           const run_options& options = {});

/// `n` token ids below `vocab`, the same for the same seed.
[[nodiscard]] std::vector<std::uint32_t> random_ids(std::size_t n, std::uint32_t vocab,
                                                    std::uint64_t seed = 7);

} // namespace larql::test
