// The known answers of a vindex: computed for checksums.json, and compared with it.
//
// Blocking  Reads the experts' weights and puts sixteen rows through each.
// Errors    Name layer and expert, what was found and what was expected.

#pragma once

#include "runtime/experts/known_answers.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace larql::experts {

/// Bytes of experts done and to be done; false stops.
using answers_progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Adds the answers of all experts that the vindex holds and whose answers checksums.json has not,
/// and saves it after every layer, so that a stopped run goes on where it was. Damaged experts get
/// none. Nothing happens in a vindex without checksums.json.
[[nodiscard]] result<void> add_known_answers(const std::filesystem::path& dir,
                                             kernels::compute compute,
                                             const answers_progress& on_progress);

struct answers_request {
  std::uint32_t per_layer = 0; ///< experts of each layer, chosen by `seed`; 0: all
  std::uint64_t seed = 0;
  answers_progress on_progress = {};
};

struct answers_report {
  std::uint64_t compared = 0;     ///< experts
  std::uint64_t unknown = 0;      ///< experts without a known answer
  std::vector<std::string> wrong; ///< "layer 3, expert 17: …", one line each
};

/// Compares the experts of a bank with the known answers. Fails only if it is stopped.
[[nodiscard]] result<answers_report> compare_answers(kernels::compute compute,
                                                     const expert_bank& bank,
                                                     const vindex::checksums& known,
                                                     const answers_request& request);

/// The same for all experts that a vindex holds.
[[nodiscard]] result<answers_report> compare_answers(kernels::compute compute,
                                                     const std::filesystem::path& dir,
                                                     const answers_request& request);

/// A digest of the answers of all experts of a bank, by layer, then expert; a damaged expert is an
/// error. Fails with `cancelled` if it is stopped.
[[nodiscard]] result<sha256_digest> digest_of_answers(kernels::compute compute,
                                                      const expert_bank& bank,
                                                      const answers_progress& on_progress);

} // namespace larql::experts
