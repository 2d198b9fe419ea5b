// The file that -o of a command names, or another that people choose: what is there already stays,
// unless they say otherwise.
//
// A pipe, a device or a terminal is written to and never replaced. A file appears under its name
// when it is complete; links are followed. "-" is standard output.
//
// Blocking  Opening a pipe waits for its reader; a signal ends that with errc::cancelled.
// Errors    Name the file and the operation; errc::usage for one that exists and may not be
//           replaced, and for a directory.

#pragma once

#include "runtime/base/file_writer.hpp"

#include <optional>

namespace larql {

class output_file {
public:
  /// `replace` allows to replace a file that exists.
  [[nodiscard]] static result<output_file> open(const std::filesystem::path& path, bool replace,
                                                file_access access = file_access::everybody);
  output_file(output_file&& other) noexcept;
  output_file& operator=(output_file&& other) noexcept;
  ~output_file();

  [[nodiscard]] result<void> write(std::span<const std::byte> bytes);

  /// Gives a file its name; what a pipe or a device got before stays.
  [[nodiscard]] result<void> commit();

private:
  output_file() = default;
  std::filesystem::path path_;
  std::optional<file_writer> file_;
  int fd_ = -1; ///< of something that is no file
  existing_file existing_ = existing_file::keep;
};

/// An error if the output exists and may not be replaced. For saying so before long work.
[[nodiscard]] result<void> check_output(const std::filesystem::path& path, bool replace);

/// Writes a small output in one go.
[[nodiscard]] result<void> write_output(const std::filesystem::path& path, std::string_view text,
                                        bool replace, file_access access = file_access::everybody);

} // namespace larql
