// What happens when a mapped page cannot be read any more, because the disk failed or the file was
// truncated. The operating system then sends SIGBUS in the middle of a computation, which cannot go
// on without the numbers; zeros in their place would give wrong answers.
//
// Failure   The process says which file and where, and ends; its init system starts it again.

#pragma once

namespace larql {

/// Installs the handler. `program` starts the message and must live for ever; the process ends with
/// `exit_code`.
void install_bus_error_handler(const char* program, int exit_code) noexcept;

} // namespace larql
