// What happens when a mapped page cannot be read any more: the disk failed, or somebody cut the
// file. The kernel then sends SIGBUS in the middle of a kernel of ours; there is no number to go on
// with, and zeros would be wrong ones.
//
// Failure   The process says which file and where, and ends; its init system starts it again.

#pragma once

namespace larql {

/// Installs the handler. `program` starts the message and must live for ever; the process ends with
/// `exit_code`.
void install_bus_error_handler(const char* program, int exit_code) noexcept;

} // namespace larql
