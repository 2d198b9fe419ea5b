// What was learnt of drafters, in a file: the next process begins with it.
//
//   {"version": 1, "seen": {"nodes/suffix": [[seen, right], …]}}
//
// It decides about time alone, so a file that makes no sense is as good as none.
//
// Blocking  Both read or write a small file.
// Threads   Pure functions of the file. Of two processes that write it the last one wins.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/speculation/acceptance.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace larql::speculation {

/// What was kept under this name; empty: nothing that makes sense.
[[nodiscard]] std::vector<acceptance::cell> read_seen(const std::filesystem::path& file,
                                                      const std::string& name);

/// Keeps it beside what is there under other names.
[[nodiscard]] result<void> write_seen(const std::filesystem::path& file, const std::string& name,
                                      std::span<const acceptance::cell> cells);

} // namespace larql::speculation
