// A directory of one test's own, removed with everything in it afterwards.
//
// Owner     Owns the directory on disk; movable.
// Errors    A machine without a writable temporary directory ends the test program.

#pragma once

#include <filesystem>
#include <string_view>

namespace larql::test {

class temporary_directory {
public:
  temporary_directory();
  temporary_directory(temporary_directory&& other) noexcept;
  temporary_directory& operator=(temporary_directory&& other) noexcept;
  ~temporary_directory();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }

private:
  std::filesystem::path path_;
};

} // namespace larql::test
