using CdpFunctions.Local.Runtime;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class AppRoutesTests
{
    private readonly RouteTable _table = RouteTable.Of(typeof(LocalHost).Assembly.GetTypes(), HostSettings.Load(AppContext.BaseDirectory).RoutePrefix);

    [Fact]
    public void AllRoutesOfTheApp_ArePairwiseDisjoint()
    {
        Assert.NotEmpty(_table.Routes);
        Assert.Empty(_table.FindOverlaps().Select(overlap => overlap.ToString()));
    }

    [Fact]
    public void AllRoutesOfTheApp_CanBeListedByTheFunctionsHost()
    {
        // It makes a URI of each template, constraints included, when functions are listed.
        foreach (var route in _table.Routes) Assert.True(Uri.TryCreate($"http://localhost/{route.Template.ToLowerInvariant()}", UriKind.Absolute, out _), route.Template);
    }
}
