#include "cli/support/last_resort.hpp"

#include "cli/support/command.hpp"
#include "cli/support/terminal_modes.hpp"

#include <cstring>
#include <exception>
#include <new>
#include <unistd.h>
#include <utility>

namespace larql::cli {

namespace {

// Handlers of the language get no argument, so the name is one of the process.
const char* handlers_name = "larql";

[[noreturn]] void end_saying(const char* text) noexcept {
  give_terminal_back();
  // Put together first: one write call, so that lines of several threads stay whole.
  char line[512];
  auto size = std::size_t{0};
  for (const auto* part : {handlers_name, ": ", text})
    for (const auto* p = part; *p != '\0' && size < sizeof line - 1; ++p)
      line[size++] = static_cast<unsigned char>(*p) < 0x20 ? ' ' : *p;
  line[size++] = '\n';
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line, size);
  ::_exit(exit_failure); // destructors would wait for threads
}

[[noreturn]] void on_terminate() {
  if (const auto thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      end_saying("out of memory");
    } catch (const std::exception& e) {
      end_saying(e.what());
    } catch (...) { // said below
    }
  }
  end_saying("cannot go on, ending");
}

[[noreturn]] void on_no_memory() {
  end_saying("out of memory");
}

} // namespace

void install_terminate_handler(const char* program) noexcept {
  handlers_name = program;
  std::set_terminate(on_terminate);
}

ends_without_memory::ends_without_memory() noexcept : before_(std::set_new_handler(on_no_memory)) {}

void ends_without_memory::release() noexcept {
  if (std::exchange(held_, false))
    std::set_new_handler(before_);
}

ends_without_memory::~ends_without_memory() {
  release();
}

} // namespace larql::cli
