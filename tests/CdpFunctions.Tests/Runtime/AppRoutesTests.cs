using CdpFunctions.Local.Runtime;
using Xunit;

namespace CdpFunctions.Tests.Runtime;

public sealed class AppRoutesTests
{
    [Fact]
    public void AllRoutesOfTheApp_ArePairwiseDisjoint()
    {
        var table = RouteTable.Of(typeof(LocalHost).Assembly.GetTypes(), HostSettings.Load(AppContext.BaseDirectory).RoutePrefix);
        Assert.Empty(table.FindOverlaps().Select(overlap => overlap.ToString()));
    }
}
