using Microsoft.Extensions.Configuration;
using Xunit;

namespace CdpFunctions.Tests.Exports;

public sealed class ExportSettingsTests
{
    [Theory]
    [InlineData("ProfilesExportSchedule", "0 3 * * *")]
    [InlineData("ProfilesExportSchedule", "never")]
    [InlineData("ExportRowsPerPart", "999")]
    [InlineData("ExportRowsPerPart", "1000001")]
    [InlineData("ExportRowsPerPart", "many")]
    public void WhatCannotBeTaken_IsRefused_AndNamed(string name, string value) =>
        Assert.Contains("Cdp__" + name, Assert.Throws<SettingException>(() => Read(name, value)).Message, StringComparison.Ordinal);

    [Fact]
    public void WhatIsNotSet_IsEveryNightAtThree()
    {
        Assert.Equal(("0 0 3 * * *", 100_000), (Read("X", "").ProfilesExportSchedule, Read("X", "").ExportRowsPerPart));
        Assert.Equal("off", Read("ProfilesExportSchedule", "off").ProfilesExportSchedule);
        Assert.Equal("0 30 4 * * 1", Read("ProfilesExportSchedule", "0 30 4 * * 1").ProfilesExportSchedule);
    }

    private static CdpOptions Read(string name, string value) =>
        CdpOptions.Read(new ConfigurationBuilder().AddInMemoryCollection([new("Cdp:" + name, value)]).Build());
}
