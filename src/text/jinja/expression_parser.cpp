// text/jinja/expression_parser.cpp - precedence, lowest first: if-else, or, and, not, comparisons, + -, ~, *
// / // %,
// **, unary, then postfix, filters and tests.
#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <optional>

#include "base/limits.h"
#include "text/jinja/error.h"
#include "text/quote.h"

namespace hearth::text::jinja {

ExpressionParser::Deeper::Deeper(ExpressionParser& parser) : parser_(parser) {
    if (++parser_.depth_ > kTemplateDepthMax) {
        --parser_.depth_;
        raise(Fault::out_of_range, parser_.current().line, "expected at most {} levels of nesting, saw more",
              kTemplateDepthMax);
    }
}

void ExpressionParser::count_link(int& links) const {
    if (++links > kTemplateDepthMax)
        raise(Fault::out_of_range, current().line, "expected at most {} operators in a chain, saw more",
              kTemplateDepthMax);
}

void ExpressionParser::fail_here(std::string_view expected) const {
    const Token& token = current();
    if (token.kind == TokenKind::end)
        raise(Fault::corrupt, token.line, "expected {}, saw the end of the template", expected);
    static constexpr std::pair<TokenKind, std::string_view> kNames[] = {
        {TokenKind::data, "text"},      {TokenKind::variable_begin, "{{"}, {TokenKind::variable_end, "}}"},
        {TokenKind::block_begin, "{%"}, {TokenKind::block_end, "%}"},
    };
    for (const auto& [kind, name] : kNames)
        if (token.kind == kind) raise(Fault::corrupt, token.line, "expected {}, saw \"{}\"", expected, name);
    raise(Fault::corrupt, token.line, "expected {}, saw {}", expected, quoted(token.text));
}

bool ExpressionParser::skip_op(std::string_view op) {
    if (!at_op(op)) return false;
    next();
    return true;
}
bool ExpressionParser::skip_name(std::string_view name) {
    if (!at_name(name)) return false;
    next();
    return true;
}
void ExpressionParser::expect_op(std::string_view op) {
    if (!skip_op(op)) fail_here(fmt::format("\"{}\"", op));
}
void ExpressionParser::expect_name(std::string_view name) {
    if (!skip_name(name)) fail_here(fmt::format("\"{}\"", name));
}
void ExpressionParser::expect(TokenKind kind, std::string_view what) {
    if (current().kind != kind) fail_here(fmt::format("\"{}\"", what));
    next();
}

std::string ExpressionParser::any_name() {
    if (current().kind != TokenKind::name) fail_here("a name");
    std::string name = current().text;
    next();
    return name;
}

std::string ExpressionParser::assignable_name() {
    for (const std::string_view word : {"true", "false", "none", "True", "False", "None"})
        if (at_name(word)) fail_here("a name to assign to");
    return any_name();
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind) const {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = current().line;
    return node;
}

ExpressionPtr ExpressionParser::binary(Op op, ExpressionPtr left, ExpressionPtr right, int line) const {
    auto node = make(op == Op::none ? ExpressionKind::logical_or : ExpressionKind::binary);
    node->op = op;
    node->line = line;
    node->items.push_back(std::move(left));
    node->items.push_back(std::move(right));
    return node;
}

ExpressionPtr ExpressionParser::expression() {
    const Deeper deeper(*this);
    ExpressionPtr value = or_expression();
    int links = 0;
    while (skip_name("if")) {
        count_link(links);
        auto node = make(ExpressionKind::conditional);
        node->items.push_back(or_expression());
        node->items.push_back(std::move(value));
        node->items.push_back(skip_name("else") ? expression() : nullptr);
        value = std::move(node);
    }
    return value;
}

ExpressionPtr ExpressionParser::or_expression() {
    ExpressionPtr left = and_expression();
    int links = 0;
    while (skip_name("or")) {
        count_link(links);
        const int line = current().line;
        left = binary(Op::none, std::move(left), and_expression(), line);
    }
    return left;
}

ExpressionPtr ExpressionParser::and_expression() {
    ExpressionPtr left = not_expression();
    int links = 0;
    while (skip_name("and")) {
        count_link(links);
        const int line = current().line;
        left = binary(Op::none, std::move(left), not_expression(), line);
        left->kind = ExpressionKind::logical_and;
    }
    return left;
}

ExpressionPtr ExpressionParser::not_expression() {
    if (!at_name("not")) return compare();
    const Deeper deeper(*this);
    auto node = make(ExpressionKind::unary);
    node->op = Op::not_;
    next();
    node->items.push_back(not_expression());
    return node;
}

ExpressionPtr ExpressionParser::compare() {
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {"==", Op::eq}, {"!=", Op::ne}, {"<", Op::lt}, {"<=", Op::le}, {">", Op::gt}, {">=", Op::ge}};
    ExpressionPtr first = math1();
    ExpressionPtr node;
    while (true) {
        Op op = Op::none;
        for (const auto& [text, candidate] : kOps)
            if (at_op(text)) op = candidate;
        if (op != Op::none) {
            next();
        } else if (skip_name("in")) {
            op = Op::in;
        } else if (at_name("not") && look().kind == TokenKind::name && look().text == "in") {
            next();
            next();
            op = Op::not_in;
        } else {
            return node ? std::move(node) : std::move(first);
        }
        if (!node) {
            node = make(ExpressionKind::compare);
            node->items.push_back(std::move(first));
        }
        node->ops.push_back(op);
        node->items.push_back(math1());
    }
}

ExpressionPtr ExpressionParser::math1() {
    ExpressionPtr left = concat();
    int links = 0;
    while (at_op("+") || at_op("-")) {
        count_link(links);
        const Op op = at_op("+") ? Op::add : Op::sub;
        const int line = current().line;
        next();
        left = binary(op, std::move(left), concat(), line);
    }
    return left;
}

ExpressionPtr ExpressionParser::concat() {
    ExpressionPtr first = math2();
    if (!at_op("~")) return first;
    auto node = make(ExpressionKind::concat);
    node->items.push_back(std::move(first));
    while (skip_op("~")) node->items.push_back(math2());
    return node;
}

ExpressionPtr ExpressionParser::math2() {
    static constexpr std::pair<std::string_view, Op> kOps[] = {
        {"*", Op::mul}, {"/", Op::div}, {"//", Op::floordiv}, {"%", Op::mod}};
    ExpressionPtr left = power();
    int links = 0;
    while (true) {
        Op op = Op::none;
        for (const auto& [text, candidate] : kOps)
            if (at_op(text)) op = candidate;
        if (op == Op::none) return left;
        count_link(links);
        const int line = current().line;
        next();
        left = binary(op, std::move(left), power(), line);
    }
}

ExpressionPtr ExpressionParser::power() {
    ExpressionPtr left = unary(true);
    int links = 0;
    while (at_op("**")) {
        count_link(links);
        const int line = current().line;
        next();
        left = binary(Op::pow, std::move(left), unary(true), line);
    }
    return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filter) {
    const Deeper deeper(*this);
    ExpressionPtr node;
    if (at_op("-") || at_op("+")) {
        node = make(ExpressionKind::unary);
        node->op = at_op("-") ? Op::neg : Op::pos;
        next();
        node->items.push_back(unary(false));
    } else {
        node = primary();
    }
    node = postfix(std::move(node));
    return with_filter ? filter_expression(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::primary() {
    auto node = make(ExpressionKind::constant);
    const Token& token = current();
    switch (token.kind) {
        case TokenKind::name: {
            std::string name = any_name();
            if (name == "true" || name == "True" || name == "false" || name == "False") {
                node->constant = Value(name[0] == 't' || name[0] == 'T');
            } else if (name == "none" || name == "None") {
                node->constant = Value::none();
            } else {
                node->kind = ExpressionKind::name;
                special_names_.varargs |= name == "varargs";
                special_names_.kwargs |= name == "kwargs";
                special_names_.caller |= name == "caller";
                node->name = std::move(name);
            }
            return node;
        }
        case TokenKind::text: {
            std::string text;
            for (; current().kind == TokenKind::text; next()) text += current().text;
            node->constant = Value(std::move(text));
            return node;
        }
        case TokenKind::integer:
            node->constant = token.integer;
            next();
            return node;
        case TokenKind::number:
            node->constant = Value(token.number);
            next();
            return node;
        default:
            break;
    }
    if (skip_op("(")) {
        ExpressionPtr inner = tuple(true, {}, true);
        expect_op(")");
        return inner;
    }
    if (at_op("[")) return list();
    if (at_op("{")) return dict();
    fail_here("an expression");
}

bool ExpressionParser::at_tuple_end(std::string_view end) const {
    return current().kind == TokenKind::variable_end || current().kind == TokenKind::block_end ||
           at_op(")") || (!end.empty() && at_name(end));
}

ExpressionPtr ExpressionParser::tuple(bool with_condition, std::string_view end, bool in_brackets) {
    const Deeper deeper(*this);
    auto node = make(ExpressionKind::tuple);
    bool is_tuple = false;
    while (true) {
        if (!node->items.empty()) expect_op(",");
        if (at_tuple_end(end)) break;
        node->items.push_back(with_condition ? expression() : or_expression());
        if (!at_op(",")) break;
        is_tuple = true;
    }
    if (is_tuple) return node;
    if (!node->items.empty()) return std::move(node->items[0]);
    if (!in_brackets) fail_here("an expression");
    return node;
}

ExpressionPtr ExpressionParser::target_item(bool with_namespace) {
    const Deeper deeper(*this);
    if (skip_op("(")) {  // brackets around targets: ((a, b), c)
        auto node = make(ExpressionKind::tuple);
        while (!at_op(")")) {
            if (!node->items.empty()) expect_op(",");
            if (at_op(")")) break;
            node->items.push_back(target_item(false));
        }
        expect_op(")");
        return node;
    }
    auto node = make(ExpressionKind::name);
    node->name = assignable_name();
    if (with_namespace && skip_op(".")) {
        node->kind = ExpressionKind::ns_target;
        node->attribute = any_name();
    }
    return node;
}

ExpressionPtr ExpressionParser::assign_target(bool with_namespace, std::string_view end) {
    auto node = make(ExpressionKind::tuple);
    bool is_tuple = false;
    while (true) {
        if (!node->items.empty()) expect_op(",");
        if (at_tuple_end(end) || at_op("=")) break;
        node->items.push_back(target_item(with_namespace));
        if (!at_op(",")) break;
        is_tuple = true;
    }
    if (node->items.empty()) fail_here("a name to assign to");
    if (!is_tuple) return std::move(node->items[0]);
    return node;
}

ExpressionPtr ExpressionParser::list() {
    auto node = make(ExpressionKind::list);
    expect_op("[");
    while (!at_op("]")) {
        if (!node->items.empty()) expect_op(",");
        if (at_op("]")) break;
        node->items.push_back(expression());
    }
    expect_op("]");
    return node;
}

ExpressionPtr ExpressionParser::dict() {
    auto node = make(ExpressionKind::dict);
    expect_op("{");
    while (!at_op("}")) {
        if (!node->items.empty()) expect_op(",");
        if (at_op("}")) break;
        node->items.push_back(expression());
        expect_op(":");
        node->items.push_back(expression());
    }
    expect_op("}");
    return node;
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
    int links = 0;
    while (true) {
        if (at_op(".") || at_op("["))
            node = subscript(std::move(node));
        else if (at_op("("))
            node = call(std::move(node));
        else
            return node;
        count_link(links);
    }
}

ExpressionPtr ExpressionParser::filter_expression(ExpressionPtr node) {
    int links = 0;
    while (true) {
        if (at_op("|"))
            node = filters(std::move(node), false);
        else if (at_name("is"))
            node = test(std::move(node));
        else if (at_op("("))
            node = call(std::move(node));
        else
            return node;
        count_link(links);
    }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr node) {
    auto result = make(ExpressionKind::subscript);
    result->items.push_back(std::move(node));
    if (skip_op(".")) {
        if (current().kind == TokenKind::name) {
            result->kind = ExpressionKind::attribute;
            result->name = any_name();
            return result;
        }
        if (current().kind != TokenKind::integer) fail_here("a name or a number");
        auto index = make(ExpressionKind::constant);
        index->constant = current().integer;
        next();
        result->items.push_back(std::move(index));
        return result;
    }
    expect_op("[");
    std::vector<ExpressionPtr> parts;
    while (!at_op("]")) {
        if (!parts.empty()) expect_op(",");
        parts.push_back(subscribed());
    }
    if (parts.size() == 1) {
        result->items.push_back(std::move(parts[0]));
    } else {
        auto all = make(ExpressionKind::tuple);
        all->items = std::move(parts);
        result->items.push_back(std::move(all));
    }
    expect_op("]");
    return result;
}

ExpressionPtr ExpressionParser::subscribed() {
    auto slice = make(ExpressionKind::slice);
    if (at_op(":")) {
        slice->items.push_back(nullptr);
    } else {
        ExpressionPtr index = expression();
        if (!at_op(":")) return index;
        slice->items.push_back(std::move(index));
    }
    next();  // the first colon
    const auto at_end = [this] { return at_op("]") || at_op(","); };
    slice->items.push_back(at_op(":") || at_end() ? nullptr : expression());
    slice->items.push_back(skip_op(":") && !at_end() ? expression() : nullptr);
    return slice;
}

std::vector<Argument> ExpressionParser::call_arguments() {
    expect_op("(");
    std::vector<Argument> arguments;
    bool had_named = false, had_star = false, had_stars = false;
    while (!at_op(")")) {
        if (!arguments.empty()) {
            expect_op(",");
            if (at_op(")")) break;
        }
        Argument argument;
        bool in_order = true;
        if (skip_op("*")) {
            argument.stars = 1;
            in_order = !had_star && !had_stars;
            had_star = true;
        } else if (skip_op("**")) {
            argument.stars = 2;
            in_order = !had_stars;
            had_stars = true;
        } else if (current().kind == TokenKind::name && look().kind == TokenKind::op && look().text == "=") {
            argument.name = any_name();
            next();
            in_order = !had_stars;
            had_named = true;
        } else {
            in_order = !had_named && !had_star && !had_stars;
        }
        if (!in_order) fail_here("arguments by position, then by name, then * and **");
        argument.value = expression();
        arguments.push_back(std::move(argument));
    }
    expect_op(")");
    return arguments;
}

ExpressionPtr ExpressionParser::call(ExpressionPtr node) {
    auto result = make(ExpressionKind::call);
    result->items.push_back(std::move(node));
    result->arguments = call_arguments();
    return result;
}

std::string ExpressionParser::dotted_name() {
    std::string name = any_name();
    while (skip_op(".")) name += "." + any_name();
    return name;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr node, bool inline_start) {
    int links = 0;
    while (inline_start || skip_op("|")) {
        count_link(links);
        inline_start = false;
        auto result = make(ExpressionKind::filter);
        result->name = dotted_name();
        result->items.push_back(std::move(node));
        if (at_op("(")) result->arguments = call_arguments();
        node = std::move(result);
    }
    return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr node) {
    auto result = make(ExpressionKind::test);
    next();  // is
    const bool negated = skip_name("not");
    result->name = dotted_name();
    result->items.push_back(std::move(node));
    const TokenKind kind = current().kind;
    const bool starts_value = kind == TokenKind::name || kind == TokenKind::text ||
                              kind == TokenKind::integer || kind == TokenKind::number || at_op("[") ||
                              at_op("{");
    if (at_op("(")) {
        result->arguments = call_arguments();
    } else if (starts_value && !at_name("else") && !at_name("or") && !at_name("and")) {
        if (at_name("is")) fail_here("one test: tests do not chain");
        Argument argument;
        argument.value = postfix(primary());
        result->arguments.push_back(std::move(argument));
    }
    if (!negated) return result;
    auto negation = make(ExpressionKind::unary);
    negation->op = Op::not_;
    negation->items.push_back(std::move(result));
    return negation;
}

}  // namespace hearth::text::jinja
