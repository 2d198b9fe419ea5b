// What a vindex computes sessions with, as digests: laptop and node compare them before a session
// is opened.
//
// Blocking  Reads the files whose digests checksums.json does not tell; a gigabyte takes seconds.

#pragma once

#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/vindex/index_json.hpp"
#include "schema/messages.hpp"

#include <filesystem>
#include <stop_token>

namespace larql::cli {

/// Ends early, with errc::cancelled, when `stop` is requested.
[[nodiscard]] result<schema::session_open> session_identity(const std::filesystem::path& vindex,
                                                            const vindex::model_config& model,
                                                            gemma4::kv_format kv,
                                                            const std::stop_token& stop = {});

} // namespace larql::cli
