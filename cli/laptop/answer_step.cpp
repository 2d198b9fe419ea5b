#include "cli/laptop/answer_step.hpp"

#include "cli/support/progress.hpp"
#include "runtime/experts/answer_table.hpp"

namespace larql::cli {

std::function<result<void>(const std::filesystem::path&)> answer_step(kernels::compute compute,
                                                                      std::stop_token stop) {
  return [compute, stop = std::move(stop)](const std::filesystem::path& dir) {
    auto line = progress_line{"known answers"};
    return experts::add_known_answers(dir, compute, [&](std::uint64_t done, std::uint64_t total) {
      line.update(done, total, "");
      return !stop.stop_requested();
    });
  };
}

} // namespace larql::cli
