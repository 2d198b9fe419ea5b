// What a server needs to know of a model beside running it: what it tells its clients, and how much
// memory keys and values may take.

#pragma once

#include "cli/laptop/chat_model.hpp"
#include "cli/serve/api/model_facts.hpp"

#include <cstdint>
#include <string>

namespace larql::cli {

/// `name` is what clients call it; empty: the one it has for the user.
[[nodiscard]] result<serve::model_facts> facts_of(const chat_model& model, const std::string& name);

/// Parameters of the whole model, experts included.
[[nodiscard]] std::uint64_t parameters_of(const vindex::model_config& model);

/// Bytes on disk of the files that must stay in memory: the experts only if they are computed here.
[[nodiscard]] std::uint64_t resident_bytes(const std::filesystem::path& dir, bool with_experts);

} // namespace larql::cli
