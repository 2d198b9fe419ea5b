// What this process knows of the digests of its experts, for comparing them with a peer's. What is
// missing is computed in the background by a thread that gives way to everything else.
//
// Threads   digest_of() from any thread.

#pragma once

#include "runtime/base/sha256.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/index_json.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace larql::cli {

class weights_identity {
public:
  /// Reads what the vindex says.
  [[nodiscard]] static result<std::shared_ptr<weights_identity>>
  open(const std::filesystem::path& dir, const vindex::model_config& model);

  /// Of the experts that somebody owns; none: not known, or not yet.
  [[nodiscard]] std::optional<sha256_digest> digest_of(const experts::ownership& owned) const;

  /// Starts a thread that computes what is missing of these experts, if the vindex points into
  /// other files, and tells when the digest of all of them is known: `on_known` is called by the
  /// thread, or not at all. The thread ends within the read of a megabyte when it is stopped; it
  /// may not outlive this. Not joinable if there is nothing to do.
  [[nodiscard]] std::jthread complete(const experts::ownership& owned,
                                      std::function<void(const sha256_digest&)> on_known = {});

private:
  weights_identity(std::filesystem::path dir, vindex::model_config model)
      : dir_(std::move(dir)), model_(std::move(model)) {}

  std::filesystem::path dir_;
  vindex::model_config model_;
  mutable std::mutex mutex_; // guards sums_
  std::shared_ptr<const vindex::checksums> sums_;
};

} // namespace larql::cli
