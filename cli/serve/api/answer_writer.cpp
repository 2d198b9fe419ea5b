#include "cli/serve/api/answer_writer.hpp"

namespace larql::serve {

void append_sse(std::string& out, std::string_view name, const ordered_json& data) {
  if (!name.empty())
    out.append("event: ").append(name).append("\n");
  out.append("data: ").append(to_text(data)).append("\n\n");
}

} // namespace larql::serve
