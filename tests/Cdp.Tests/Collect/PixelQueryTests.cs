using System.Text;
using Cdp.Collect;
using Cdp.Problems;

namespace Cdp.Tests.Collect;

public sealed class PixelQueryTests
{
    [Fact]
    public void Dotted_names_nest_and_repeated_ones_are_lists() =>
        Assert.Equal(
            """{"userId":"u","properties":{"a":{"b":"1","c":["2","3","4"]}},"event":""}""",
            Json(("userId", "u"), ("properties.a.b", "1"), ("properties.a.c", "2"), ("event", ""), ("properties.a.c", "3"), ("properties.a.c", "4")));

    [Theory]
    [InlineData("eyJhIjoiPz8/In0=")]
    [InlineData("eyJhIjoiPz8/In0")]
    [InlineData("eyJhIjoiPz8_In0")]
    [InlineData("eyJhIjoiPz8_In0=")]
    public void Data_is_base64_of_either_kind(string data) => Assert.Equal("""{"a":"???"}""", Json(("x", "y"), ("data", data)));

    [Fact]
    public void An_unescaped_plus_sign_arrives_as_a_space() => Assert.Equal("""{"a":"~~>"}""", Json(("data", "eyJhIjoifn4 In0=")));

    [Fact]
    public void A_name_that_is_a_value_and_an_object_is_refused()
    {
        Assert.Equal(ProblemType.InvalidField, Refusal(("a", "1"), ("a.b", "2")));
        Assert.Equal(ProblemType.InvalidField, Refusal(("a.b", "2"), ("a", "1")));
        Assert.Equal(ProblemType.InvalidField, Refusal((new string('.', 2000), "1")));
        Assert.Equal(ProblemType.NotJson, Refusal(("data", "%%%")));
    }

    private static string Json(params (string, string)[] parameters) => Encoding.UTF8.GetString(PixelQuery.ToJson(parameters));

    private static ProblemType Refusal(params (string, string)[] parameters) => Assert.Throws<ProblemException>(() => PixelQuery.ToJson(parameters)).Problem.Type;
}
