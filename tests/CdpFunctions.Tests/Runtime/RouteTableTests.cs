using CdpFunctions.Local.Runtime;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class RouteTableTests
{
    [Theory]
    [InlineData("v1/batch", "v1/import")]
    [InlineData("v1/batch", "v1/batch/{id}")]
    [InlineData("v1/{type:regex(^(t|i|p|g|a|s)$)}", "v1/batch")]
    [InlineData("v1/{type:regex(^(t|i)$)}", "v1/{type:regex(^(track|identify)$)}")]
    [InlineData("v1/{type:regex(^(?:t|i)$)}", "v1/{x:regex(^m$)}")]
    [InlineData("v1/{n:int}", "v1/{word:alpha}")]
    [InlineData("v1/{n:int}", "v1/batch")]
    [InlineData("v1/{id:length(26)}", "v1/{id:maxlength(10)}")]
    [InlineData("v1/{id:minlength(8)}", "v1/batch")]
    [InlineData("v1/{id:regex(^(?!lookup$).+$)}", "v1/lookup")]
    [InlineData("v1/{type:regex(^(t|i)$)}/x", "v1/{type}/y")]
    [InlineData("{*path:length(3)}", "", true)]
    [InlineData("pixel.{extension:regex(^(gif|png)$)}", "pixel.js")]
    public void FindOverlaps_TemplatesThatShareNoPath_None(string one, string other, bool overlaps = false) =>
        Assert.Equal(overlaps, Overlap(one, other) is not null);

    [Theory]
    [InlineData("v1/{type}", "v1/batch", "/v1/batch")]
    [InlineData("v1/BATCH", "v1/{type:alpha}", "/v1/BATCH")]
    [InlineData("v1/{type:regex(^(t|i|p)$)}", "v1/{x:regex(^(g|P)$)}", "/v1/p")]
    [InlineData("v1/{a}/x", "v1/y/{b}", "/v1/y/x")]
    [InlineData("v1/{a:regex(^[a-m]+$)}", "v1/{b:regex(^[n-z]+$)}", "/v1/{a}")]
    [InlineData("v1/{id?}", "v1", "/v1")]
    [InlineData("v1/{id=7}", "v1", "/v1")]
    [InlineData("v1/{*rest}", "v1/a/b/c", "/v1/a/b/c")]
    [InlineData("v1/{*rest}", "{*all}", "/v1")]
    [InlineData("v1/{n:int}", "v1/{word:regex(^(7|x)$)}", "/v1/7")]
    [InlineData("{name}.gif", "pixel.{extension}", "/{name}.gif")]
    [InlineData("{name}.gif", "pixel.gif", "/pixel.gif")]
    [InlineData("v1/{a:length(2)}", "v1/{b:regex(^(t|i)$)}", "/v1/t\n")]
    public void FindOverlaps_TemplatesThatMayShareAPath_NamesIt(string one, string other, string path)
    {
        Assert.Equal(path, Overlap(one, other)?.Path);
        Assert.NotNull(Overlap(other, one));
    }

    [Fact]
    public void FindOverlaps_DifferentMethods_None()
    {
        Assert.Empty(RouteTable.Of([("Read", "v1/x/{id}", ["get"]), ("Write", "v1/x/{key}", ["PUT", "DELETE"])]).FindOverlaps());
        Assert.NotEmpty(RouteTable.Of([("Read", "v1/x/{id}", ["get"]), ("Any", "v1/x/{key}", [])]).FindOverlaps());
    }

    [Theory]
    [InlineData("admin/x")]
    [InlineData("/Runtime-things")]
    [InlineData("administrators/{id}")]
    public void Of_ReservedRoute_Refused(string template)
    {
        var error = Assert.Throws<LocalHostException>(() => RouteTable.Of([("F", template, [])]));
        Assert.Contains("'admin' or 'runtime'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_SameRouteAndMethodTwice_Refused() =>
        Assert.Throws<LocalHostException>(() => RouteTable.Of([("A", "v1/x", ["GET", "POST"]), ("B", "V1/X/", ["post"])]));

    [Fact]
    public void Of_MalformedTemplate_NamesTheFunction()
    {
        var error = Assert.Throws<LocalHostException>(() => RouteTable.Of([("Broken", "v1/{x", [])]));
        Assert.Contains("function Broken", error.Message, StringComparison.Ordinal);
    }

    private static RouteOverlap? Overlap(string one, string other) =>
        RouteTable.Of([("A", one, ["GET"]), ("B", other, ["GET"])]).FindOverlaps().SingleOrDefault();
}
