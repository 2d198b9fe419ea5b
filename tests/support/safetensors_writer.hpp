// safetensors files for tests, from any tensors, right or wrong; and tiny models as a Hugging Face
// checkpoint.
//
// Shares no code with the reader.

#pragma once

#include "runtime/base/json.hpp"
#include "tests/support/tiny_model.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace larql::test {

class safetensors_writer {
public:
  safetensors_writer& tensor(std::string_view name, std::string_view dtype,
                             std::vector<std::uint64_t> shape, std::string_view data);

  /// Lets `edit` change the header before it is written.
  [[nodiscard]] std::string bytes(const std::function<void(json&)>& edit = {}) const;

private:
  json header_ = {{"__metadata__", {{"format", "pt"}}}};
  std::string data_;
};

/// What a checkpoint directory of a tiny model looks like, to be changed by tests.
struct hf_options {
  std::string prefix = "model.language_model.";
  unsigned shards = 1;     ///< more than 1: with an index
  bool vision = false;     ///< tensors of another part beside the text model
  bool nested_text = true; ///< text_config inside config.json
};

/// config.json of a model.
[[nodiscard]] json hf_config_of(const vindex::model_config& c, bool tied, bool nested_text = true);

/// Writes config.json and the safetensors. Tensors must be F32, F16 or BF16 by name and encoding.
void write_hf(const import::checkpoint& model, const std::filesystem::path& dir,
              const hf_options& options = {});

} // namespace larql::test
