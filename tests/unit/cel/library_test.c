/* The libraries: texts, lists, sets, expressions, addresses, quantities, versions, formats. */
#include "cel_table.h"

static const struct cel_env no_variables;
#define CHECK(cases) table_check(&no_variables, NULL, cases, sizeof cases / sizeof *cases)

static void texts_count_code_points(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"'hello'.contains('ell') && 'hello'.startsWith('he') && 'hello'.endsWith('lo')", "true"},
        {"'h\u00e9llo'.charAt(1)", "\"\u00e9\""},
        {"'abc'.charAt(3)", "\"\""},
        {"'abc'.charAt(4)", "!index out of range: 4"},
        {"'h\u00e9llo l'.indexOf('l')", "2"},
        {"'h\u00e9llo l'.indexOf('l', 4)", "6"},
        {"'hello'.indexOf('x')", "-1"},
        {"'hello'.indexOf('')", "0"},
        {"'hello'.indexOf('o', -1)", "!index out of range: -1"},
        {"'hello'.indexOf('o', 9)", "-1"},
        {"'hello hello'.lastIndexOf('hello')", "6"},
        {"'hello hello'.lastIndexOf('hello', 5)", "0"},
        {"'hello'.lastIndexOf('')", "5"},
        {"'Hello \u00c9'.lowerAscii()", "\"hello \u00c9\""},
        {"'Hello'.upperAscii()", "\"HELLO\""},
        {"'hello hello'.replace('he', 'we')", "\"wello wello\""},
        {"'hello hello'.replace('he', 'we', 1)", "\"wello hello\""},
        {"'ab'.replace('', '-')", "\"-a-b-\""},
        {"'a,b,c'.split(',')", "[\"a\",\"b\",\"c\"]"},
        {"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
        {"'a,b,c'.split(',', 0)", "[]"},
        {"'abc'.split('')", "[\"a\",\"b\",\"c\"]"},
        {"''.split(',')", "[\"\"]"},
        {"['a', 'b'].join()", "\"ab\""},
        {"['a', 'b'].join(', ')", "\"a, b\""},
        {"'tacocat'.substring(4)", "\"cat\""},
        {"'ta\u00e9ocat'.substring(0, 3)", "\"ta\u00e9\""},
        {"'abc'.substring(2, 1)", "!invalid substring range. start: 2, end: 1"},
        {"'  \\ttrim\\n\\u00a0'.trim()", "\"trim\""},
        {"'gums'.reverse()", "\"smug\""},
        {"strings.quote('a\"b\\n')", "\"\\\"a\\\\\\\"b\\\\n\\\"\""},
        {"jsonpatch.escapeKey('a/b~c')", "\"a~1b~0c\""},
    };
    CHECK(cases);
}

static void texts_are_formatted(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"'%s is %d%%'.format([dyn('x'), 5])", "\"x is 5%\""},
        {"'%s'.format([['a', 'b']])", "\"[\\\"a\\\", \\\"b\\\"]\""},
        {"'%s'.format([{'b': 1, 'a': 2}])", "\"{\\\"a\\\":2, \\\"b\\\":1}\""},
        {"'%.3f %.1f'.format([3.14159, 1234567.0])", "\"3.142 1,234,567.0\""},
        {"'%x %X %o %b'.format([255, 255, 8, 5])", "\"ff FF 10 101\""},
        {"'%x'.format(['hi'])", "\"6869\""},
        {"'%b'.format([true])", "\"1\""},
        {"'%s %s'.format(['a'])", "!index 1 out of range"},
        {"'%d'.format(['a'])",
         "!error during formatting: decimal clause can only be used on integers, was given string"},
        {"'%y'.format(['a'])",
         "!could not parse formatting clause: unrecognized formatting clause \"y\""},
        {"'%s %s'.format([dyn(null), dyn(true)])", "\"null true\""},
        {"'%s'.format([timestamp('2020-01-01T00:00:00Z')])", "\"2020-01-01T00:00:00Z\""},
        {"'%.2e'.format([1052.03])", "\"1.05\u202f\u00d7\u202f10\u2070\u00b3\""},
    };
    CHECK(cases);
}

static void lists_are_summed_sorted_and_cut(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [1].isSorted()", "true"},
        {"[1, 2, 3].sum()", "6"},
        {"[1.5, 2.5].sum()", "4"},
        {"[duration('1m'), duration('1s')].sum() == duration('61s')", "true"},
        {"[9223372036854775807, 1].sum()", "!integer overflow"},
        {"[3, 1, 2].min() + [3, 1, 2].max()", "4"},
        {"['b', 'a'].min()", "\"a\""},
        {"[1].filter(x, false).max()", "!max called on empty list"},
        {"[1, 2, 2].indexOf(2)", "1"},
        {"[1, 2, 2].lastIndexOf(2)", "2"},
        {"['a'].indexOf('b')", "-1"},
        {"[1, 2, 3, 4].slice(1, 3)", "[2,3]"},
        {"[1].slice(0, 2)", "!cannot slice(0, 2), list is length 1"},
        {"[[1], [2, 3]].flatten()", "[1,2,3]"},
        {"[[[1], [2]], [[3]]].map(x, dyn(x)).flatten(2)", "[1,2,3]"},
        {"[1, 2, 3].reverse()", "[3,2,1]"},
        {"[1, 2, 1].distinct()", "[1,2]"},
        {"[3, 1, 2].sort()", "[1,2,3]"},
        {"[{'n': 2}, {'n': 1}].sortBy(e, e.n).map(e, e.n)", "[1,2]"},
        {"lists.range(3)", "[0,1,2]"},
        {"lists.range(100000000)", "!operation cancelled: actual cost limit exceeded"},
        {"sets.contains([1, 2, 3], [1, 3])", "true"},
        {"sets.contains([1], [2])", "false"},
        {"sets.equivalent([1, 1, 2], [2, 1])", "true"},
        {"sets.intersects([1], [2, 1]) && !sets.intersects([1], [2])", "true"},
    };
    CHECK(cases);
}

static void regular_expressions_find(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"'foobar'.matches('foo.*')", "true"},
        {"matches('foobar', '^bar')", "false"},
        {"'foobar'.matches('oba')", "true"},
        {"'abc 123'.find('[0-9]+')", "\"123\""},
        {"'abc'.find('x')", "\"\""},
        {"'123 abc 456'.findAll('[0-9]+')", "[\"123\",\"456\"]"},
        {"'123 abc 456'.findAll('[0-9]+', 1)", "[\"123\"]"},
        {"'abab'.findAll('')", "[\"\",\"\",\"\",\"\",\"\"]"},
        {"['a('].exists(p, 'a'.matches(p))", "!error parsing regexp: missing closing ): `a(`"},
        {"'a'.matches('a(')",
         "?ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('a(')\n | ............^"},
    };
    CHECK(cases);
}

static void addresses_have_properties(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"ip('192.168.0.1').family() + ip('::1').family()", "10"},
        {"isIP('127.0.0.1') && !isIP('127.0.0.256') && !isIP('::ffff:1.2.3.4')", "true"},
        {"isIP('fe80::1%eth0')", "false"},
        {"ip('127.0.0.1').isLoopback() && ip('::').isUnspecified()", "true"},
        {"ip('224.0.0.1').isLinkLocalMulticast() && ip('fe80::1').isLinkLocalUnicast()", "true"},
        {"ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()", "true"},
        {"string(ip('2001:DB8:0:0:1:0:0:1'))", "\"2001:db8::1:0:0:1\""},
        {"string(ip('::')) + ' ' + string(ip('1::')) + ' ' + string(ip('::1'))", "\":: 1:: ::1\""},
        {"ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')", "true"},
        {"cidr('192.168.0.0/24').containsIP('192.168.0.9')", "true"},
        {"cidr('192.168.0.0/24').containsIP(ip('192.168.1.9'))", "false"},
        {"cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24')", "true"},
        {"cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))", "false"},
        {"string(cidr('192.168.0.1/24').masked())", "\"192.168.0.0/24\""},
        {"string(cidr('2001:db8::1/32').ip()) == '2001:db8::1' && "
         "cidr('::1/128').prefixLength() == 128",
         "true"},
        {"isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0') || isCIDR('10.0.0.0/+8')", "false"},
        {"cidr('192.168.0.0/24') == cidr('192.168.0.0/24').masked()", "true"},
        {"ip('1.2.3.4') == ip('1.2.3.5')", "false"},
        {"type(ip('1.2.3.4')) == net.IP", "true"},
    };
    CHECK(cases);
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"url('https://example.com:80/').getHost()", "\"example.com:80\""},
        {"url('https://[::1]:80/').getHostname()", "\"::1\""},
        {"url('https://[::1]:80/').getPort()", "\"80\""},
        {"url('HTTPS://u:p@example.com').getScheme()", "\"https\""},
        {"url('/path').getHost()", "\"\""},
        {"url('https://example.com/path with spaces/').getEscapedPath()",
         "\"/path%20with%20spaces/\""},
        {"url('https://example.com').getEscapedPath()", "\"\""},
        {"url('https://example.com/path?k1=a&k2=b&k2=c+d').getQuery()",
         "{\"k1\":[\"a\"],\"k2\":[\"b\",\"c d\"]}"},
        {"url('https://example.com/path?').getQuery()", "{}"},
        {"isURL('https://example.com/') && isURL('/a') && !isURL('a/b') && !isURL('')", "true"},
        {"isURL('https://a b/') || isURL('https://x:y/') || isURL('%zz') || isURL('/%zz')",
         "false"},
        {"url('a')", "!URL parse error during conversion from string: parse \"a\": invalid URI for "
                     "request"},
    };
    CHECK(cases);
}

static void quantities_and_versions_compare(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"quantity('200M').compareTo(quantity('0.2G'))", "0"},
        {"quantity('50M').compareTo(quantity('50Mi'))", "-1"},
        {"quantity('150Mi').isGreaterThan(quantity('100Mi'))", "true"},
        {"quantity('50k').add(quantity('20k')) == quantity('70k')", "true"},
        {"quantity('50k').sub(20000).asApproximateFloat()", "30000"},
        {"quantity('50k').asInteger()", "50000"},
        {"quantity('1.5').isInteger() || quantity('9999999999999999999999999999G').isInteger()",
         "false"},
        {"quantity('1.5').asInteger()", "!cannot convert value to integer"},
        {"sign(quantity('-1')) + quantity('0').sign()", "-1"},
        {"isQuantity('1.3Gi') && !isQuantity('200K') && !isQuantity('Three')", "true"},
        {"semver('1.2.3').major() + semver('1.2.3').minor() + semver('1.2.3').patch()", "6"},
        {"semver('1.2.3-alpha').isLessThan(semver('1.2.3'))", "true"},
        {"semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10'))", "-1"},
        {"semver('1.0.0+a') == semver('1.0.0+b')", "true"},
        {"semver('v1.02', true) == semver('1.2.0')", "true"},
        {"isSemver('1.0') || isSemver('01.0.0') || isSemver('v1.0.0') || isSemver('1.0.0-01')",
         "false"},
        {"isSemver('v1.0', true)", "true"},
        {"semver('1.0')", "!No Major.Minor.Patch elements found"},
    };
    CHECK(cases);
}

static void formats_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct cel_case cases[] = {
        {"format.dns1123Label().validate('my-label')", "null"},
        {"format.dns1123Label().validate('my-label-').hasValue()", "true"},
        {"format.dns1123LabelPrefix().validate('my-label-').hasValue()", "false"},
        {"format.named('uuid').value().validate('123e4567-e89b-12d3-a456-426614174000')", "null"},
        {"format.uuid().validate('x').value()", "[\"does not match the UUID format\"]"},
        {"format.named('nothing').hasValue()", "false"},
        {"format.byte().validate('aGVsbG8=').hasValue() || format.byte().validate('%').hasValue()",
         "true"},
        {"format.date().validate('2021-01-01').hasValue()", "false"},
        {"format.datetime().validate('2021-13-01T00:00:00Z').value()", "[\"invalid datetime\"]"},
        {"format.uri().validate('http://example.com').hasValue()", "false"},
        {"format.qualifiedName().validate('apiextensions.k8s.io/v1beta1').hasValue()", "false"},
    };
    CHECK(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_count_code_points, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(texts_are_formatted, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(lists_are_summed_sorted_and_cut, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(regular_expressions_find, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(addresses_have_properties, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(urls_are_taken_apart, table_setup, table_teardown),
        cmocka_unit_test_setup_teardown(quantities_and_versions_compare, table_setup,
                                        table_teardown),
        cmocka_unit_test_setup_teardown(formats_say_what_is_wrong, table_setup, table_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
